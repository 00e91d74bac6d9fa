#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Qwen decoder of a Monkey checkpoint as llama.cpp's `qwen2`; runs in the environment that `peers prepare` made.

    make_qwen_gguf.py decoder CHECKPOINT FILE           f32, to be quantised from
    make_qwen_gguf.py importance IMPORTANCE FILE        what `fovea calibrate` measured, under llama.cpp's names
    make_qwen_gguf.py sizes FILE                        prints bytes and weights of all matrices, as JSON

Qwen's first version is Qwen2 with a fused q|k|v and other names; its positions differ only in prompts longer than those it was
trained with.
"""

import json
import os
import struct
import sys

import gguf
import numpy as np

PARTS = {
    "attn.qkv": ("attn_q", "attn_k", "attn_v"),
    "attn.out": ("attn_output",),
    "mlp.gateUp": ("ffn_gate", "ffn_up"),
    "mlp.contract": ("ffn_down",),
}


def safetensors(path):
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
    header.pop("__metadata__", None)
    types = {"F32": np.float32, "F16": np.float16}
    return {
        n: np.memmap(path, types[e["dtype"]], "r", 8 + size + e["data_offsets"][0], tuple(e["shape"])).astype(np.float32)
        for n, e in header.items()
        if e["dtype"] in types
    }


def decoder(folder, path):
    with open(os.path.join(folder, "config.json")) as f:
        c = json.load(f)
    x = safetensors(os.path.join(folder, "model.safetensors"))
    hidden, heads = c["hidden_size"], c["num_attention_heads"]
    w = gguf.GGUFWriter(path, "qwen2")
    w.add_vocab_size(c["vocab_size"])
    w.add_context_length(c["seq_length"])
    w.add_embedding_length(hidden)
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"] // 2)
    w.add_head_count(heads)
    w.add_head_count_kv(heads)
    w.add_rope_freq_base(float(c["rotary_emb_base"]))
    w.add_layer_norm_rms_eps(c["layer_norm_epsilon"])
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    w.add_tokenizer_model("no_vocab")
    w.add_tensor("token_embd.weight", x["transformer.wte.weight"])
    for i in range(c["num_hidden_layers"]):
        source, target = f"transformer.h.{i}.", f"blk.{i}."
        for kind in ("weight", "bias"):
            for part, rows in zip("qkv", np.split(x[f"{source}attn.c_attn.{kind}"], 3)):
                w.add_tensor(f"{target}attn_{part}.{kind}", np.ascontiguousarray(rows))
        for new, old in (
            ("attn_norm", "ln_1"),
            ("attn_output", "attn.c_proj"),
            ("ffn_norm", "ln_2"),
            ("ffn_gate", "mlp.w2"),
            ("ffn_up", "mlp.w1"),
            ("ffn_down", "mlp.c_proj"),
        ):
            w.add_tensor(f"{target}{new}.weight", x[f"{source}{old}.weight"])
    w.add_tensor("output_norm.weight", x["transformer.ln_f.weight"])
    w.add_tensor("output.weight", x["lm_head.weight"])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def importance(source, path):
    out = b""
    for name, values in safetensors(source).items():
        if not name.startswith("language.") or not name.endswith(".weight.meanSquares"):
            continue
        stem = name[len("language.") : -len(".weight.meanSquares")]
        if stem.startswith("layers."):
            _, layer, module = stem.split(".", 2)
            names = [f"blk.{layer}.{part}.weight" for part in PARTS[module]]
        else:
            names = {"head": ["output.weight"], "embedding": ["token_embd.weight"]}[stem]
        for n in names:
            out += struct.pack("<i", len(n)) + n.encode() + struct.pack("<i", values.size) + values.tobytes()
    with open(path, "wb") as f:
        f.write(out)


def sizes(path):
    matrices = [t for t in gguf.GGUFReader(path).tensors if len(t.shape) > 1 and min(t.shape) > 1]
    print(
        json.dumps(
            {
                "bytes": int(sum(t.n_bytes for t in matrices)),
                "weights": int(sum(t.n_elements for t in matrices)),
                "types": {t.name: t.tensor_type.name for t in matrices},
            }
        )
    )


def main():
    a = sys.argv[1:]
    if len(a) == 2 and a[0] == "sizes":
        return sizes(a[1])
    if len(a) != 3 or a[0] not in ("decoder", "importance"):
        raise SystemExit(__doc__)
    {"decoder": decoder, "importance": importance}[a[0]](a[1], a[2] + ".part")
    os.replace(a[2] + ".part", a[2])


if __name__ == "__main__":
    main()
