#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a LLaVA-1.5 checkpoint of random weights in its published layout, at full size, for benchmarks.

    make_llava.py DIRECTORY [--decoder 0.5b|1.1b|1.8b|7b] [--vision clip-l-336|clip-l-224] [--tiles N]

With --tiles it is a LLaVA of any resolution (the layout of LLaVA-1.6), which cuts wide images into up to N tiles.

Weights are normal with standard deviation 1/√inputs, which keeps the scale of activations; values are written as f16,
one tensor at a time. The tokenizer is the nano model's: timings do not depend on the text.
"""

import argparse
import json
import os
import shutil
import struct

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
NANO = os.path.join(HERE, "..", "nano", "models", "hires-llava-nano", "checkpoint")

# hidden, intermediate, layers, heads, key/value heads, vocabulary
DECODERS = {
    "0.5b": (1024, 2816, 24, 16, 16, 32000),
    "1.1b": (2048, 5632, 22, 32, 4, 32000),
    "1.8b": (2048, 5504, 24, 16, 16, 151936),
    "7b": (4096, 11008, 32, 32, 32, 32000),
}
# hidden, intermediate, layers, heads, image, patch
TOWERS = {"clip-l-336": (1024, 4096, 24, 16, 336, 14), "clip-l-224": (1024, 4096, 24, 16, 224, 14)}


def decoder_tensors(hidden, inner, layers, heads, kv_heads, vocabulary):
    head = hidden // heads
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for i in range(layers):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", (hidden,)
        yield at + "self_attn.q_proj.weight", (heads * head, hidden)
        yield at + "self_attn.k_proj.weight", (kv_heads * head, hidden)
        yield at + "self_attn.v_proj.weight", (kv_heads * head, hidden)
        yield at + "self_attn.o_proj.weight", (hidden, heads * head)
        yield at + "post_attention_layernorm.weight", (hidden,)
        yield at + "mlp.gate_proj.weight", (inner, hidden)
        yield at + "mlp.up_proj.weight", (inner, hidden)
        yield at + "mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocabulary, hidden)


def tower_tensors(hidden, inner, layers, heads, image, patch, output):
    at = "model.vision_tower.vision_tower.vision_model."
    yield at + "embeddings.class_embedding", (hidden,)
    yield at + "embeddings.patch_embedding.weight", (hidden, 3, patch, patch)
    yield at + "embeddings.position_embedding.weight", ((image // patch) ** 2 + 1, hidden)
    for norm in ("pre_layrnorm", "post_layernorm"):
        yield at + norm + ".weight", (hidden,)
        yield at + norm + ".bias", (hidden,)
    for i in range(layers):
        block = f"{at}encoder.layers.{i}."
        for name, shape in (
            ("self_attn.q_proj", (hidden, hidden)),
            ("self_attn.k_proj", (hidden, hidden)),
            ("self_attn.v_proj", (hidden, hidden)),
            ("self_attn.out_proj", (hidden, hidden)),
            ("mlp.fc1", (inner, hidden)),
            ("mlp.fc2", (hidden, inner)),
            ("layer_norm1", (hidden,)),
            ("layer_norm2", (hidden,)),
        ):
            yield f"{block}{name}.weight", shape
            yield f"{block}{name}.bias", shape[:1]
    yield "model.mm_projector.0.weight", (output, hidden)
    yield "model.mm_projector.0.bias", (output,)
    yield "model.mm_projector.2.weight", (output, output)
    yield "model.mm_projector.2.bias", (output,)


def values(rng, name, shape):
    if "norm" in name and name.endswith("weight"):
        return np.ones(shape, np.float16)
    if name.endswith("bias"):
        return np.zeros(shape, np.float16)
    inputs = int(np.prod(shape[1:])) if len(shape) > 1 else shape[0]
    return (rng.standard_normal(shape, np.float32) / np.float32(inputs) ** 0.5).astype(np.float16)


def write_safetensors(path, tensors, seed):
    header, at = {}, 0
    for name, shape in tensors:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(seed)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            f.write(values(rng, name, shape).tobytes())
    os.replace(path + ".part", path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("directory")
    p.add_argument("--decoder", choices=DECODERS, default="1.1b")
    p.add_argument("--vision", choices=TOWERS, default="clip-l-336")
    p.add_argument("--tiles", type=int, default=0)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    hidden, inner, layers, heads, kv_heads, vocabulary = DECODERS[a.decoder]
    tower = TOWERS[a.vision]
    os.makedirs(os.path.join(a.directory, "vision_tower"), exist_ok=True)
    tower_config = {
        "model_type": "clip_vision_model",
        "hidden_size": tower[0],
        "intermediate_size": tower[1],
        "num_hidden_layers": tower[2],
        "num_attention_heads": tower[3],
        "image_size": tower[4],
        "patch_size": tower[5],
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    }
    config = {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "mm_vision_tower": "vision_tower",
        "mm_hidden_size": tower[0],
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_projector_type": "mlp2x_gelu",
        "image_aspect_ratio": "pad",
        "torch_dtype": "float16",
    }
    if a.tiles:
        config.update(
            image_aspect_ratio="anyres",
            mm_patch_merge_type="spatial_unpad",
            image_grid_pinpoints=[[n * tower[4], tower[4]] for n in range(1, a.tiles + 1)],
        )
    for name, value in (("config.json", config), ("vision_tower/config.json", tower_config)):
        with open(os.path.join(a.directory, name), "w") as f:
            json.dump(value, f, indent=2)
    for name in ("tokenizer.model", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(os.path.join(NANO, name), os.path.join(a.directory, name))
    tensors = list(decoder_tensors(hidden, inner, layers, heads, kv_heads, vocabulary)) + list(tower_tensors(*tower, hidden))
    if a.tiles:
        tensors.append(("model.image_newline", (hidden,)))
    write_safetensors(os.path.join(a.directory, "model.safetensors"), tensors, a.seed)
    print(f"{a.directory}: {sum(int(np.prod(s)) for _, s in tensors) / 1e9:.2f} billion weights")


if __name__ == "__main__":
    main()
