#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a SmolVLM checkpoint of random weights at a published size, for benchmarks.

    make_smolvlm.py DIRECTORY [--size 256m|500m|2.2b]

Weights as make_llava.py draws them. The tokenizer has little but the bytes and the tokens of images: timings do not depend on the text.
"""

import argparse
import json
import os

import numpy as np
from make_llava import decoder_tensors, write_safetensors

# hidden, intermediate, layers, heads, key/value heads, vocabulary
DECODERS = {"256m": (576, 1536, 30, 9, 3, 49280), "500m": (960, 2560, 32, 15, 5, 49280), "2.2b": (2048, 8192, 24, 32, 32, 49280)}
# hidden, intermediate, layers, heads, side, patch; patches on a side of what becomes one vector; longest edge
TOWERS = {
    "256m": (768, 3072, 12, 12, 512, 16, 4, 2048),
    "500m": (768, 3072, 12, 12, 512, 16, 4, 2048),
    "2.2b": (1152, 4304, 27, 16, 384, 14, 3, 1536),
}


def tower_tensors(hidden, inner, layers, heads, side, patch, factor, edge, output):
    at = "model.vision_model."
    yield at + "embeddings.patch_embedding.weight", (hidden, 3, patch, patch)
    yield at + "embeddings.patch_embedding.bias", (hidden,)
    yield at + "embeddings.position_embedding.weight", ((side // patch) ** 2, hidden)
    for i in range(layers):
        block = f"{at}encoder.layers.{i}."
        for name, outputs, inputs in (
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", hidden, hidden),
            ("self_attn.v_proj", hidden, hidden),
            ("self_attn.out_proj", hidden, hidden),
            ("mlp.fc1", inner, hidden),
            ("mlp.fc2", hidden, inner),
        ):
            yield f"{block}{name}.weight", (outputs, inputs)
            yield f"{block}{name}.bias", (outputs,)
        for name in ("layer_norm1", "layer_norm2"):
            yield f"{block}{name}.weight", (hidden,)
            yield f"{block}{name}.bias", (hidden,)
    yield at + "post_layernorm.weight", (hidden,)
    yield at + "post_layernorm.bias", (hidden,)
    yield "model.connector.modality_projection.proj.weight", (output, hidden * factor**2)


def byte_alphabet():
    """The characters that GPT-2's tokenizer writes bytes as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 512))
    return [chr(b if b in plain else next(rest)) for b in range(256)]


def tokenizer(size):
    special = ["<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>"]
    special += [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
    # One merge: llama.cpp takes no tokenizer without any.
    pieces = [*byte_alphabet(), "th"]
    pieces += [f"piece{i}" for i in range(size - len(pieces) - len(special))]
    ids = {text: len(pieces) + i for i, text in enumerate(special)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return ids, {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": text, **flags} for text, i in ids.items()],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {p: i for i, p in enumerate(pieces)}, "merges": [["t", "h"]]},
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("directory")
    p.add_argument("--size", choices=DECODERS, default="256m")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    (hidden, inner, layers, heads, kv_heads, vocabulary), tower = DECODERS[a.size], TOWERS[a.size]
    ids, json_tokenizer = tokenizer(vocabulary)
    text = dict(
        model_type="llama", hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, vocab_size=vocabulary, max_position_embeddings=8192, rms_norm_eps=1e-5, rope_theta=100000.0,
    )  # fmt: skip
    vision = dict(
        model_type="smolvlm_vision", hidden_size=tower[0], intermediate_size=tower[1], num_hidden_layers=tower[2], num_attention_heads=tower[3],
        image_size=tower[4], patch_size=tower[5],
    )  # fmt: skip
    files = {
        "config.json": {
            "architectures": ["SmolVLMForConditionalGeneration"], "model_type": "smolvlm", "image_token_id": ids["<image>"],
            "scale_factor": tower[6], "text_config": text, "vision_config": vision, "tie_word_embeddings": False,
        },
        "generation_config.json": {"bos_token_id": ids["<|im_start|>"], "eos_token_id": ids["<end_of_utterance>"]},
        "preprocessor_config.json": {
            "do_image_splitting": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "max_image_size": {"longest_edge": tower[4]}, "resample": 1,
            "rescale_factor": 1 / 255, "size": {"longest_edge": tower[7]},
        },
        "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>"},
        "tokenizer.json": json_tokenizer,
    }  # fmt: skip
    os.makedirs(a.directory, exist_ok=True)
    for name, value in files.items():
        with open(os.path.join(a.directory, name), "w") as f:
            json.dump(value, f, indent=None if name == "tokenizer.json" else 2)
    tensors = []
    for name, shape in decoder_tensors(hidden, inner, layers, heads, kv_heads, vocabulary):
        tensors.append((name.replace("model.", "model.text_model.", 1) if name.startswith("model.") else name, shape))
    tensors += tower_tensors(*tower, hidden)
    write_safetensors(os.path.join(a.directory, "model.safetensors"), tensors, a.seed)
    print(f"{a.directory}: {sum(int(np.prod(s)) for _, s in tensors) / 1e9:.3f} billion weights")


if __name__ == "__main__":
    main()
