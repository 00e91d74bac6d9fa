#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a DeepSeek-OCR checkpoint of random weights in its published layout and at full size (3.3 G weights, 6.7 GB), for benchmarks.

    make_deepseek_ocr.py DIRECTORY [--second]      (--second: DeepSeek-OCR 2)

Values are as in make_llava.py. The tokenizer is that of the small checkpoint of Tests/ConversionTests: timings do not depend on the text.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

import numpy as np
from make_llava import write_safetensors

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "reference"))

import deepseek_names  # noqa: E402

CONFIG = {
    "architectures": ["DeepseekOCRForCausalLM"],
    "model_type": "deepseek_vl_v2",
    "language_config": {
        "architectures": ["DeepseekV2ForCausalLM"],
        "bos_token_id": 0,
        "eos_token_id": 1,
        "first_k_dense_replace": 1,
        "hidden_size": 1280,
        "intermediate_size": 6848,
        "kv_lora_rank": None,
        "max_position_embeddings": 8192,
        "moe_intermediate_size": 896,
        "n_group": 1,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_attention_heads": 10,
        "num_experts_per_tok": 6,
        "num_hidden_layers": 12,
        "num_key_value_heads": 10,
        "q_lora_rank": None,
        "qk_nope_head_dim": 0,
        "qk_rope_head_dim": 0,
        "topk_group": 1,
        "topk_method": "greedy",
        "use_mla": False,
        "v_head_dim": 0,
        "vocab_size": 129280,
    },
    "projector_config": {"input_dim": 2048, "model_type": "mlp_projector", "n_embed": 1280, "projector_type": "linear"},
    "vision_config": {
        "image_size": 1024,
        "mlp_ratio": 3.7362,
        "model_name": "deeplip_b_l",
        "model_type": "vision",
        "width": {
            "clip-l-14-224": {"heads": 16, "image_size": 224, "layers": 24, "patch_size": 14, "width": 1024},
            "sam_vit_b": {"downsample_channels": [512, 1024], "global_attn_indexes": [2, 5, 8, 11], "heads": 12, "layers": 12, "width": 768},
        },
    },
}


SECOND = {
    **CONFIG,
    "architectures": ["DeepseekOCR2ForCausalLM"],
    "projector_config": {"input_dim": 896, "model_type": "mlp_projector", "n_embed": 1280, "projector_type": "linear"},
    "vision_config": {
        "image_size": 1024,
        "model_name": "deepencoderv2",
        "model_type": "vision",
        "width": {
            "qwen2-0-5b": {"dim": 896},
            "sam_vit_b": {"downsample_channels": [512, 896], "global_attn_indexes": [2, 5, 8, 11], "heads": 12, "layers": 12, "width": 768},
        },
        # What the published code has in place of a config.
        "encoder_config": {
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_attention_heads": 14,
            "num_hidden_layers": 24,
            "num_key_value_heads": 2,
            "rope_theta": 1000000.0,
        },
    },
}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("directory")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--second", action="store_true")
    a = p.parse_args()
    config = SECOND if a.second else CONFIG
    os.makedirs(a.directory, exist_ok=True)
    with open(os.path.join(a.directory, "config.json"), "w") as f:
        json.dump(config, f, indent=2)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "Tests/ConversionTests/Fixtures/checkpoints/deepseek_ocr/checkpoint" / name, a.directory)
    tensors = list((deepseek_names.second if a.second else deepseek_names.shapes)(config).items())
    write_safetensors(os.path.join(a.directory, "model.safetensors"), tensors, a.seed)
    print(f"{a.directory}: {sum(int(np.prod(s)) for _, s in tensors) / 1e9:.2f} billion weights")


if __name__ == "__main__":
    main()
