# SPDX-License-Identifier: Apache-2.0
"""Training state -> Hugging Face style checkpoint directory (float16), and back into the PyTorch model.

export.py --state DIR --out models/hires-llava-nano/checkpoint
"""

import argparse
import json
import os

import data
import tokenizer
import torch
from model import CLIPMLP, HiResLlava
from safetensors.torch import load_file, save_file
from slicing import CLIP_MEAN, CLIP_STD

FOLD = 1.702  # quick_gelu(x) = x * sigmoid(1.702 x)
TEMPLATE = "USER: <image>\n{question} ASSISTANT:"


def vision_config(c):
    return {
        "model_type": "clip_vision_model",
        "architectures": ["CLIPVisionModel"],
        "hidden_size": c["vision_hidden"],
        "intermediate_size": c["vision_intermediate"],
        "num_hidden_layers": c["vision_layers"],
        "num_attention_heads": c["vision_heads"],
        "image_size": c["image_size"],
        "patch_size": c["patch_size"],
        "num_channels": 3,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "attention_dropout": 0.0,
        "projection_dim": c["vision_hidden"],
        "torch_dtype": "float16",
    }


def config(c):
    grid = c["image_size"] // c["patch_size"]
    return {
        "architectures": ["HiResLlavaLlamaForCausalLM"],
        "model_type": "hires_llava",
        "vocab_size": c["vocab_size"],
        "hidden_size": c["hidden_size"],
        "intermediate_size": c["intermediate_size"],
        "num_hidden_layers": c["layers"],
        "num_attention_heads": c["heads"],
        "num_key_value_heads": c["heads"],
        "hidden_act": "silu",
        "rms_norm_eps": c["rms_eps"],
        "rope_theta": c["rope_theta"],
        "max_position_embeddings": c["max_positions"],
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "unk_token_id": 0,
        "torch_dtype": "float16",
        "use_cache": True,
        "mm_vision_tower": "vision_tower",
        "mm_hidden_size": c["vision_hidden"],
        "mm_vision_select_layer": -1,
        "mm_vision_select_feature": "patch",
        "mm_projector_type": "mlp2x_gelu",
        "image_aspect_ratio": "pad",
        "hires_llava": {
            "r": c["image_size"],
            "M": c["max_slices"],
            "sra_layers": c["sra_layers"] if c["use_sra"] else [],
            "sra_kernel": 3,
            "sra_down": [grid, grid],
            "sra_heads": c["sra_heads"],
            "sra_where": "parallel_attn",
            "sra_input": "ln1",
            "sra_on_lowres": False,
            "sms_kernel": c["sms_kernel"],
            "sms_heads": c["sms_heads"],
            "sms_shared": True,
            "sms_local": False,
            "proj": "mlp2x_gelu",
            "quadruple": False,
            "grid_fit": "pad",
            "sep_kind": "learned",
        },
        "vision_config": vision_config(c),
        "fovea": {"prompt": {"system": "", "template": TEMPLATE}},
    }


def preprocessor(c):
    side = {"height": c["image_size"], "width": c["image_size"]}
    return {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": side,
        "do_center_crop": False,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(CLIP_MEAN),
        "image_std": list(CLIP_STD),
        "resample": 3,
        "size": side,
    }


def folded(weights, factor):
    """The weights with CLIP's MLPs, trained with SiLU, as published with quick_gelu (`factor` FOLD), or back (1 / FOLD)."""
    out = {}
    for name, value in weights.items():
        if ".mlp.fc1." in name:
            value = value / factor
        if name.endswith(".mlp.fc2.weight"):
            value = value * factor
        out[name] = value
    return out


def tensors(model):
    weights = {k: v.detach().float() for k, v in model.state_dict().items()}
    return {k: v.half().contiguous() for k, v in folded(weights, FOLD).items()}


# tokenizer_config.json of the models with LLaMA's kind of tokenizer.
LLAMA_TOKENIZER = {
    "tokenizer_class": "LlamaTokenizer",
    "add_bos_token": True,
    "add_eos_token": False,
    "legacy": True,
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "clean_up_tokenization_spaces": False,
}


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def save(model, directory):
    os.makedirs(os.path.join(directory, "vision_tower"), exist_ok=True)
    c = model.config
    write_json(os.path.join(directory, "config.json"), config(c))
    write_json(os.path.join(directory, "vision_tower", "config.json"), vision_config(c))
    write_json(os.path.join(directory, "preprocessor_config.json"), preprocessor(c))
    write_json(os.path.join(directory, "generation_config.json"), {"bos_token_id": 1, "eos_token_id": 2, "do_sample": False, "max_new_tokens": 16})
    write_json(os.path.join(directory, "tokenizer_config.json"), LLAMA_TOKENIZER)
    vocabulary = os.path.join(directory, "tokenizer.model")
    if not os.path.exists(vocabulary):
        tokenizer.build(vocabulary)
    save_file(tensors(model), os.path.join(directory, "model.safetensors"), metadata={"format": "pt"})


def load(directory):
    """The checkpoint as a float32 PyTorch model."""
    with open(os.path.join(directory, "config.json")) as f:
        j = json.load(f)
    v, h = j["vision_config"], j["hires_llava"]
    c = dict(
        image_size=v["image_size"],
        patch_size=v["patch_size"],
        vision_hidden=v["hidden_size"],
        vision_intermediate=v["intermediate_size"],
        vision_layers=v["num_hidden_layers"],
        vision_heads=v["num_attention_heads"],
        hidden_size=j["hidden_size"],
        intermediate_size=j["intermediate_size"],
        layers=j["num_hidden_layers"],
        heads=j["num_attention_heads"],
        vocab_size=j["vocab_size"],
        rms_eps=j["rms_norm_eps"],
        rope_theta=j["rope_theta"],
        max_positions=j["max_position_embeddings"],
        max_slices=h["M"],
        sra_layers=h["sra_layers"],
        use_sra=bool(h["sra_layers"]),
        sra_heads=h["sra_heads"],
        sms_kernel=h["sms_kernel"],
        sms_heads=h["sms_heads"],
    )
    assert (c["image_size"], c["max_slices"]) == (data.BASE, data.MOST)
    model = HiResLlava(c)
    weights = load_file(os.path.join(directory, "model.safetensors"))
    model.load_state_dict({k: w.float() for k, w in weights.items()})
    for module in model.modules():
        if isinstance(module, CLIPMLP):
            module.quick = True
    return model.eval()


def training_state(directory):
    """A checkpoint as the start of a training: config and weights with the CLIP MLPs unfolded; no heads, no optimiser."""
    model = load(directory)
    return {"config": model.config, "model": folded(model.state_dict(), 1 / FOLD), "heads": {}}


def trained(kind, directory):
    """A training state as a model of the class `kind` (float32, its MLPs unfolded)."""
    state = torch.load(os.path.join(directory, "state.pt"), weights_only=False)
    model = kind(state["config"])
    model.load_state_dict(state["model"])
    return model.eval()


def load_state(directory):
    return trained(HiResLlava, directory)


def options(description):
    """What every export is asked for."""
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--state", required=True)
    p.add_argument("--out", required=True)
    return p


if __name__ == "__main__":
    a = options(__doc__).parse_args()
    save(load_state(a.state), a.out)
