# SPDX-License-Identifier: Apache-2.0
"""Training state -> checkpoint directory (float16) in Monkey's published layout, and back into the PyTorch model.

    python -m monkey.export --state DIR --out models/monkey-nano/checkpoint [--grid 2x3]

`visual.tile_size` is ours: the published model's tiles are 448 pixels whatever its config says. A checkpoint has one grid; it may
have more adapter sets than that grid has tiles, so the same weights serve 2 x 2 and 2 x 3.
"""

import json
import os

from export import options, trained, write_json
from safetensors.torch import load_file, save_file

from . import tokens as T
from .model import Monkey


def config(c, grid):
    return {
        "architectures": ["MonkeyLMHeadModel"],
        "model_type": "monkey",
        "vocab_size": c["vocab_size"],
        "hidden_size": c["hidden_size"],
        "num_hidden_layers": c["layers"],
        "num_attention_heads": c["heads"],
        "kv_channels": c["hidden_size"] // c["heads"],
        "intermediate_size": 2 * c["ff"],
        "layer_norm_epsilon": c["eps"],
        "max_position_embeddings": c["max_positions"],
        "seq_length": c["seq_length"],
        "rotary_emb_base": 10000,
        "rotary_pct": 1.0,
        "use_dynamic_ntk": True,
        "use_logn_attn": True,
        "no_bias": True,
        "scale_attn_weights": True,
        "attn_dropout_prob": 0.0,
        "emb_dropout_prob": 0.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": False,
        "tokenizer_type": "QWenTokenizer",
        "bf16": False,
        "fp16": True,
        "fp32": False,
        "torch_dtype": "float16",
        "use_flash_attn": False,
        "use_cache": True,
        "visual": {
            "image_size": [grid[0] * c["tile"], grid[1] * c["tile"]],
            "tile_size": c["tile"],
            "patch_size": c["patch_size"],
            "width": c["width"],
            "layers": c["tower_layers"],
            "heads": c["tower_heads"],
            "mlp_ratio": c["mlp_size"] / c["width"],
            "output_dim": c["hidden_size"],
            "n_queries": c["n_queries"],
            "image_start_id": c["image_start"],
            "lora_repeat_num": c["adapters"],
        },
        "fovea": {"prompt": {"tasks": {"read": "<image>" + T.VQA.format(T.READ), "caption": "<image>" + T.CAPTION}}},
    }


def save(model, directory, grid):
    os.makedirs(directory, exist_ok=True)
    write_json(os.path.join(directory, "config.json"), config(model.config, grid))
    end = model.config["image_start"] - 214
    write_json(
        os.path.join(directory, "generation_config.json"),
        {"chat_format": "raw", "do_sample": False, "eos_token_id": end, "pad_token_id": end, "max_new_tokens": 256},
    )
    write_json(os.path.join(directory, "tokenizer_config.json"), {"tokenizer_class": "QWenTokenizer", "model_max_length": 2048})
    write_json(os.path.join(directory, "special_tokens_map.json"), {"pad_token": "<|endoftext|>"})
    T.write(os.path.join(directory, "qwen.tiktoken"))
    save_file(
        {k: v.detach().half().contiguous() for k, v in model.state_dict().items()},
        os.path.join(directory, "model.safetensors"),
        metadata={"format": "pt"},
    )


def load(directory):
    """The checkpoint as a float32 PyTorch model."""
    with open(os.path.join(directory, "config.json")) as f:
        j = json.load(f)
    v = j["visual"]
    weights = load_file(os.path.join(directory, "model.safetensors"))
    block = "transformer.visual.transformer.resblocks.0."
    ranks = {}
    if v["lora_repeat_num"]:
        ranks = {
            "rank": weights[block + "attn.in_proj_lora.0.lora_a.weight"].shape[0],
            "mlp_rank": weights[block + "mlp_lora.0.lora_a.weight"].shape[0],
        }
    model = Monkey(
        dict(
            tile=v["tile_size"],
            patch_size=v["patch_size"],
            width=v["width"],
            tower_layers=v["layers"],
            tower_heads=v["heads"],
            mlp_size=round(v["width"] * v["mlp_ratio"]),
            adapters=v["lora_repeat_num"],
            n_queries=v["n_queries"],
            hidden_size=j["hidden_size"],
            layers=j["num_hidden_layers"],
            heads=j["num_attention_heads"],
            ff=j["intermediate_size"] // 2,
            vocab_size=j["vocab_size"],
            image_start=v["image_start_id"],
            seq_length=j["seq_length"],
            max_positions=j["max_position_embeddings"],
            eps=j["layer_norm_epsilon"],
            **ranks,
        )
    )
    model.load_state_dict({k: w.float() for k, w in weights.items()})
    return model.eval()


def load_state(directory):
    return trained(Monkey, directory)


if __name__ == "__main__":
    p = options(__doc__)
    p.add_argument("--grid", default="2x2", help="rows x columns of tiles that config.json asks for")
    a = p.parse_args()
    save(load_state(a.state), a.out, tuple(int(n) for n in a.grid.split("x")))
