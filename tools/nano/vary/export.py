# SPDX-License-Identifier: Apache-2.0
"""Stage 2's training state -> checkpoint directory (float16) in Vary-toy's published layout, and back into the PyTorch model.

    python -m vary.export --state DIR --out models/vary-nano/checkpoint

CLIP's sizes stand in `vision_config`, since its heads are not CLIP's usual ones; `fovea.prompt` adds the task it was taught besides.
"""

import base64
import json
import os

import export
from export import FOLD, folded, options, tensors, trained, write_json
from model import CLIPMLP
from safetensors.torch import load_file, save_file

from . import base
from .model import CLIP, Vary

NETWORK = "transformer.vision_tower_high."


def config(c):
    start = c["image_start"]
    turn = "{system}" + base.USER + "<image>" + base.AFTER.removeprefix("</img>")
    return {
        "architectures": ["MMGPTQwenForCausalLM"],
        "model_type": "mmgpt",
        "vocab_size": c["vocab_size"],
        "hidden_size": c["hidden_size"],
        "num_hidden_layers": c["layers"],
        "num_attention_heads": c["heads"],
        "kv_channels": c["hidden_size"] // c["heads"],
        "intermediate_size": 2 * c["ff"],
        "layer_norm_epsilon": c["eps"],
        "max_position_embeddings": c["seq_length"],
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
        "vision_tower": "vision_tower",
        "vision_select_layer": -2,
        "freeze_vision_tower": True,
        "use_im_start_end": True,
        "image_token_len": (c["image_size"] // c["patch_size"] // 4) ** 2,
        "im_start_token": start,
        "im_end_token": start + 1,
        "im_patch_token": start + 2,
        "vision_config": export.vision_config(CLIP),
        "fovea": {"prompt": {"tasks": {"describe": turn.format(base.DESCRIBE, system="{system}")}}},
    }


def save(model, directory):
    os.makedirs(directory, exist_ok=True)
    tokens = base.tokenizer()
    write_json(os.path.join(directory, "config.json"), config(model.config))
    write_json(
        os.path.join(directory, "generation_config.json"),
        {
            "chat_format": "raw",
            "do_sample": False,
            "eos_token_id": tokens.special["<|endoftext|>"],
            "pad_token_id": tokens.special["<|endoftext|>"],
            "max_new_tokens": 512,
        },
    )
    write_json(os.path.join(directory, "tokenizer_config.json"), {"tokenizer_class": "QWenTokenizer", "model_max_length": model.config["seq_length"]})
    write_json(os.path.join(directory, "special_tokens_map.json"), {"pad_token": "<|endoftext|>"})
    with open(os.path.join(directory, "qwen.tiktoken"), "wb") as f:
        for i in range(tokens.ranks):
            f.write(base64.b64encode(tokens.encoding.decode_single_token_bytes(i)) + b" %d\n" % i)
    save_file(tensors(model), os.path.join(directory, "model.safetensors"), metadata={"format": "pt"})


def load(directory):
    """The checkpoint as a float32 PyTorch model."""
    with open(os.path.join(directory, "config.json")) as f:
        j = json.load(f)
    weights = {k: w.float() for k, w in load_file(os.path.join(directory, "model.safetensors")).items()}
    _, side, _, width = weights[NETWORK + "pos_embed"].shape
    patch = weights[NETWORK + "patch_embed.proj.weight"].shape[-1]
    depth = sum(k.startswith(NETWORK) and k.endswith("attn.rel_pos_h") for k in weights)
    reach = [(weights[f"{NETWORK}blocks.{i}.attn.rel_pos_h"].shape[0] + 1) // 2 for i in range(depth)]
    model = Vary(
        dict(
            image_size=side * patch,
            patch_size=patch,
            width=width,
            depth=depth,
            tower_heads=width // weights[NETWORK + "blocks.0.attn.rel_pos_h"].shape[1],
            mlp_size=weights[NETWORK + "blocks.0.mlp.lin1.weight"].shape[0],
            window=min(reach),
            global_blocks=[i for i in range(depth) if reach[i] == side],
            neck=weights[NETWORK + "neck.0.weight"].shape[0],
            middle=weights[NETWORK + "net_2.weight"].shape[0],
            out=weights[NETWORK + "net_3.weight"].shape[0],
            hidden_size=j["hidden_size"],
            layers=j["num_hidden_layers"],
            heads=j["num_attention_heads"],
            ff=j["intermediate_size"] // 2,
            vocab_size=j["vocab_size"],
            image_start=j["im_start_token"],
            seq_length=j["seq_length"],
            eps=j["layer_norm_epsilon"],
        )
    )
    model.load_state_dict(weights)
    for module in model.modules():
        if isinstance(module, CLIPMLP):
            module.quick = True
    return model.eval()


def training_state(directory):
    """A checkpoint as the start of a training, its CLIP unfolded."""
    model = load(directory)
    return {"config": model.config, "model": folded(model.state_dict(), 1 / FOLD), "heads": {}}


def load_state(directory):
    return trained(Vary, directory)


if __name__ == "__main__":
    a = options(__doc__).parse_args()
    save(load_state(a.state), a.out)
