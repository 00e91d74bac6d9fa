#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a checkpoint of random weights in its published layout and at full size, for benchmarks.

    make_vary.py DIRECTORY [--model got|vary-toy]

got: GOT-OCR2 (560 M weights) as transformers saves it, so that transformers can run it too. vary-toy: Qwen-1.8B behind CLIP-L/14 and the
vocabulary network (2.3 G weights). Values are as in make_llava.py. The tokenizer knows single bytes: timings do not depend on the text.
"""

import argparse
import base64
import json
import os

import numpy as np
from make_llava import write_safetensors

VISION = {
    "model_type": "got_ocr2_vision",
    "hidden_size": 768,
    "output_channels": 256,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 1024,
    "patch_size": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
    "use_abs_pos": True,
    "use_rel_pos": True,
    "window_size": 14,
    "global_attn_indexes": [2, 5, 8, 11],
    "mlp_dim": 3072,
}
TEXT = {
    "model_type": "qwen2",
    "vocab_size": 151860,
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "hidden_act": "silu",
}


def network(prefix, block, norm, patch, neck, down):
    """The vocabulary network in one of its spellings."""
    yield prefix + "pos_embed", (1, 64, 64, 768)
    yield f"{prefix}{patch}.weight", (768, 3, 16, 16)
    yield f"{prefix}{patch}.bias", (768,)
    for i in range(12):
        at, rows = f"{prefix}{block}.{i}.", 127 if i in (2, 5, 8, 11) else 27
        for name, shape in (
            (norm + "1", (768,)),
            (norm + "2", (768,)),
            ("attn.qkv", (2304, 768)),
            ("attn.proj", (768, 768)),
            ("mlp.lin1", (3072, 768)),
            ("mlp.lin2", (768, 3072)),
        ):
            yield f"{at}{name}.weight", shape
            yield f"{at}{name}.bias", shape[:1]
        yield at + "attn.rel_pos_h", (rows, 64)
        yield at + "attn.rel_pos_w", (rows, 64)
    yield f"{prefix}{neck[0]}.weight", (256, 768, 1, 1)
    yield f"{prefix}{neck[2]}.weight", (256, 256, 3, 3)
    for name in (neck[1], neck[3]):
        yield f"{prefix}{name}.weight", (256,)
        yield f"{prefix}{name}.bias", (256,)
    yield down[0] + ".weight", (512, 256, 3, 3)
    yield down[1] + ".weight", (1024, 512, 3, 3)


def got():
    at = "multi_modal_projector."
    neck = ["neck.conv1", "neck.layer_norm1", "neck.conv2", "neck.layer_norm2"]
    yield from network("vision_tower.", "layers", "layer_norm", "patch_embed.projection", neck, [at + "conv_upsampler1", at + "conv_upsampler2"])
    yield at + "multimodal_projector.weight", (1024, 1024)
    yield at + "multimodal_projector.bias", (1024,)
    at = "language_model.model."
    yield at + "embed_tokens.weight", (151860, 1024)
    for i in range(24):
        layer = f"{at}layers.{i}."
        for name in ("q", "k", "v"):
            yield f"{layer}self_attn.{name}_proj.weight", (1024, 1024)
            yield f"{layer}self_attn.{name}_proj.bias", (1024,)
        yield layer + "self_attn.o_proj.weight", (1024, 1024)
        yield layer + "mlp.gate_proj.weight", (2816, 1024)
        yield layer + "mlp.up_proj.weight", (2816, 1024)
        yield layer + "mlp.down_proj.weight", (1024, 2816)
        yield layer + "input_layernorm.weight", (1024,)
        yield layer + "post_attention_layernorm.weight", (1024,)
    yield at + "norm.weight", (1024,)


def vary_toy():
    hidden, inner, vocabulary = 2048, 5504, 151860
    yield "transformer.wte.weight", (vocabulary, hidden)
    for i in range(24):
        at = f"transformer.h.{i}."
        for name, shape in (
            ("attn.c_attn", (3 * hidden, hidden)),
            ("attn.c_proj", (hidden, hidden)),
            ("mlp.w1", (inner, hidden)),
            ("mlp.w2", (inner, hidden)),
            ("mlp.c_proj", (hidden, inner)),
        ):
            yield f"{at}{name}.weight", shape
        yield at + "attn.c_attn.bias", (3 * hidden,)
        yield at + "ln_1.weight", (hidden,)
        yield at + "ln_2.weight", (hidden,)
    yield "transformer.ln_f.weight", (hidden,)
    yield "lm_head.weight", (vocabulary, hidden)
    yield from network(
        "transformer.vision_tower_high.",
        "blocks",
        "norm",
        "patch_embed.proj",
        ["neck.0", "neck.1", "neck.2", "neck.3"],
        ["transformer.vision_tower_high.net_2", "transformer.vision_tower_high.net_3"],
    )
    at = "transformer.vision_tower.vision_model."
    yield at + "embeddings.class_embedding", (1024,)
    yield at + "embeddings.patch_embedding.weight", (1024, 3, 14, 14)
    yield at + "embeddings.position_embedding.weight", (257, 1024)
    norms = ["pre_layrnorm", "post_layernorm"]
    for i in range(24):
        block = f"encoder.layers.{i}."
        norms += [block + "layer_norm1", block + "layer_norm2"]
        for name, out, inputs in [(f"self_attn.{x}_proj", 1024, 1024) for x in ("q", "k", "v", "out")] + [
            ("mlp.fc1", 4096, 1024),
            ("mlp.fc2", 1024, 4096),
        ]:
            yield f"{at}{block}{name}.weight", (out, inputs)
            yield f"{at}{block}{name}.bias", (out,)
    for name in norms:
        yield f"{at}{name}.weight", (1024,)
        yield f"{at}{name}.bias", (1024,)
    for name in ("mm_projector", "mm_projector_vary"):
        yield f"transformer.{name}.weight", (1024, 1024)
        yield f"transformer.{name}.bias", (1024,)


CONFIGS = {
    "got": {
        "architectures": ["GotOcr2ForConditionalGeneration"],
        "model_type": "got_ocr2",
        "image_token_index": 151859,
        "eos_token_id": 256,
        "text_config": TEXT,
        "vision_config": VISION,
        "torch_dtype": "float16",
    },
    "vary-toy": {
        "architectures": ["MMGPTQwenForCausalLM"],
        "model_type": "mmgpt",
        "vocab_size": 151860,
        "hidden_size": 2048,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "kv_channels": 128,
        "intermediate_size": 11008,
        "seq_length": 8192,
        "max_position_embeddings": 8192,
        "layer_norm_epsilon": 1e-6,
        "vision_select_layer": -2,
        "eos_token_id": 256,
    },
}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("directory")
    p.add_argument("--model", choices=CONFIGS, default="got")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    os.makedirs(a.directory, exist_ok=True)
    with open(os.path.join(a.directory, "config.json"), "w") as f:
        json.dump(CONFIGS[a.model], f, indent=2)
    with open(os.path.join(a.directory, "qwen.tiktoken"), "w") as f:
        f.writelines(f"{base64.b64encode(bytes([i])).decode()} {i}\n" for i in range(256))
    tensors = list(got() if a.model == "got" else vary_toy())
    write_safetensors(os.path.join(a.directory, "model.safetensors"), tensors, a.seed)
    print(f"{a.directory}: {sum(int(np.prod(s)) for _, s in tensors) / 1e9:.2f} billion weights")


if __name__ == "__main__":
    main()
