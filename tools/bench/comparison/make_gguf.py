#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the random checkpoint as llama.cpp's files; runs in the environment that `peers prepare` made.

make_gguf.py decoder CHECKPOINT FILE     f16, to be quantised from
make_gguf.py encoder CHECKPOINT FILE     CLIP tower and projector, f16: the form in which llama.cpp's models ship
make_gguf.py sizes FILE                  prints bytes of all tensors, and of those that decoding reads, as JSON
"""

import json
import os
import re
import sys

import gguf
import numpy as np
from checkpoint import PROJECTOR, VISION, Checkpoint

DECODER = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
ENCODER = {
    "embeddings.class_embedding": "class_embd",
    "embeddings.patch_embedding": "patch_embd",
    "embeddings.position_embedding": "position_embd",
    "pre_layrnorm": "pre_ln",
    "post_layernorm": "post_ln",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
}


def rename(name, table, layer):
    """`layer` is the pattern before a layer's number."""
    stem, dot, kind = name.rpartition(".") if name.endswith((".weight", ".bias")) else (name, "", "")
    found = re.fullmatch(layer + r"(\d+)\.(.+)", stem)
    stem = f"blk.{found[1]}.{table[found[2]]}" if found else table[stem]
    return stem + dot + kind


def interleaved(x, heads):
    """llama.cpp rotates neighbouring rows of a head, the checkpoint its two halves."""
    return np.ascontiguousarray(x.reshape(heads, 2, x.shape[0] // heads // 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape))


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def decoder(checkpoint, path):
    c = checkpoint.config
    w = gguf.GGUFWriter(path, "llama")
    w.add_vocab_size(c["vocab_size"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_rope_dimension_count(c["hidden_size"] // c["num_attention_heads"])
    w.add_rope_freq_base(c["rope_theta"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_tokenizer_model("no_vocab")
    for name in checkpoint.language_names():
        x = checkpoint.tensor(name)
        if "q_proj" in name:
            x = interleaved(x, c["num_attention_heads"])
        elif "k_proj" in name:
            x = interleaved(x, c["num_key_value_heads"])
        w.add_tensor(rename(name, DECODER, r"model\.layers\."), x.astype(np.float32) if x.ndim == 1 else x)
    write(w)


def encoder(checkpoint, path):
    c = checkpoint.vision
    w = gguf.GGUFWriter(path, "clip")
    w.add_clip_has_vision_encoder(True)
    w.add_clip_projector_type("mlp")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_vision_image_size(c["image_size"])
    w.add_vision_patch_size(c["patch_size"])
    w.add_vision_embedding_length(c["hidden_size"])
    w.add_vision_feed_forward_length(c["intermediate_size"])
    w.add_vision_projection_dim(checkpoint.config["hidden_size"])
    # All layers; its LLaVA graph leaves out the last by itself.
    w.add_vision_block_count(c["num_hidden_layers"])
    w.add_vision_head_count(c["num_attention_heads"])
    w.add_vision_attention_layernorm_eps(c["layer_norm_eps"])
    w.add_vision_image_mean([0.48145466, 0.4578275, 0.40821073])
    w.add_vision_image_std([0.26862954, 0.26130258, 0.27577711])
    for name in checkpoint.names():
        if name.startswith(VISION):
            new = "v." + rename(name[len(VISION) :], ENCODER, r"encoder\.layers\.")
        elif name.startswith(PROJECTOR):
            new = "mm." + name[len(PROJECTOR) :]
        else:
            continue
        x = checkpoint.tensor(name)
        w.add_tensor(new, x.astype(np.float32) if x.ndim == 1 or "position" in name else x)
    write(w)


def sizes(path):
    tensors = gguf.GGUFReader(path).tensors
    # A token reads one row of the embedding table.
    print(
        json.dumps(
            {"bytes": int(sum(t.n_bytes for t in tensors)), "bytes_per_token": int(sum(t.n_bytes for t in tensors if t.name != "token_embd.weight"))}
        )
    )


def main():
    a = sys.argv[1:]
    if len(a) == 2 and a[0] == "sizes":
        return sizes(a[1])
    if len(a) != 3 or a[0] not in ("decoder", "encoder"):
        raise SystemExit(__doc__)
    {"decoder": decoder, "encoder": encoder}[a[0]](Checkpoint(a[1]), a[2] + ".part")
    os.replace(a[2] + ".part", a[2])


if __name__ == "__main__":
    main()
