# SPDX-License-Identifier: Apache-2.0
"""Training state -> checkpoint directory (float16) in the layout of tools/reference/FERRET_V2.md, and back into the PyTorch model.

python -m ferret.export --state DIR --out models/ferret-nano/checkpoint
"""

import json
import os

from export import LLAMA_TOKENIZER, options, trained, write_json
from safetensors.torch import load_file, save_file
from slicing import CLIP_MEAN, CLIP_STD

from . import scenes as S
from . import tokens as T
from .model import IMAGENET_MEAN, IMAGENET_STD, FerretV2

TEMPLATE = "USER: <image>\n{question} ASSISTANT:"
TASKS = {
    "refer": TEMPLATE.replace("{question}", "What is the object {question}?"),  # asked with "<region>"
    "caption": TEMPLATE.replace("{question}", "What is in the image?"),
}


def clip_config(c):
    return {
        "model_type": "clip_vision_model",
        "architectures": ["CLIPVisionModel"],
        "hidden_size": c["width"],
        "intermediate_size": c["vision_intermediate"],
        "num_hidden_layers": c["clip_layers"],
        "num_attention_heads": c["vision_heads"],
        "image_size": c["side"],
        "patch_size": c["patch_size"],
        "num_channels": 3,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "attention_dropout": 0.0,
        "projection_dim": c["width"],
    }


def dino_config(c):
    return {
        "model_type": "dinov2",
        "architectures": ["Dinov2Model"],
        "hidden_size": c["width"],
        "mlp_ratio": c["vision_intermediate"] // c["width"],
        "num_hidden_layers": c["dino_layers"],
        "num_attention_heads": c["vision_heads"],
        "image_size": c["side"],
        "patch_size": c["patch_size"],
        "num_channels": 3,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-6,
        "qkv_bias": True,
        "use_swiglu_ffn": False,
        "layerscale_value": 1.0,
    }


def config(c):
    return {
        "architectures": ["FerretV2LlamaForCausalLM"],
        "model_type": "ferret_v2",
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
        "mm_hidden_size": c["width"],
        "mm_vision_select_layer": -1,
        "mm_vision_select_feature": "patch",
        "mm_projector_type": "mlp2x_gelu",
        "mm_patch_merge_type": "spatial",
        "mm_use_im_start_end": False,
        "image_aspect_ratio": "anyres",
        "mm_vision_tower_local": "vision_tower_local",
        "mm_hidden_size_local": c["width"],
        "global_side": c["side"],
        "tile_side": c["side"],
        "image_grid_pinpoints": [[cols * c["side"], rows * c["side"]] for cols, rows in S.GRIDS],
        "im_region_fea_token": c["region_token"],
        "region_geo_sampler": True,
        "sampler_pooler_mode": "max",
        "region_sampler_transpose": False,
        "fovea": {"prompt": {"system": "", "template": TEMPLATE, "tasks": TASKS}},
    }


def processor(c, mean, std):
    side = {"height": c["side"], "width": c["side"]}
    return {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": side,
        "do_center_crop": False,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(mean),
        "image_std": list(std),
        "resample": 3,
        "size": side,
    }


def save(model, directory):
    c = model.config
    for folder, described, mean, std in (
        ("vision_tower", clip_config(c), CLIP_MEAN, CLIP_STD),
        ("vision_tower_local", dino_config(c), IMAGENET_MEAN, IMAGENET_STD),
    ):
        os.makedirs(os.path.join(directory, folder), exist_ok=True)
        write_json(os.path.join(directory, folder, "config.json"), described)
        write_json(os.path.join(directory, folder, "preprocessor_config.json"), processor(c, mean, std))
    write_json(os.path.join(directory, "config.json"), config(c))
    write_json(os.path.join(directory, "generation_config.json"), {"bos_token_id": 1, "eos_token_id": 2, "do_sample": False, "max_new_tokens": 128})
    write_json(os.path.join(directory, "tokenizer_config.json"), LLAMA_TOKENIZER)
    write_json(os.path.join(directory, "added_tokens.json"), {T.REGION: c["region_token"]})
    vocabulary = os.path.join(directory, "tokenizer.model")
    if not os.path.exists(vocabulary):
        T.write(vocabulary)
    save_file(
        {k: v.detach().half().contiguous() for k, v in model.state_dict().items()},
        os.path.join(directory, "model.safetensors"),
        metadata={"format": "pt"},
    )


def load(directory):
    """The checkpoint as a float32 PyTorch model."""
    j, clip, dino = ({}, {}, {})
    for into, path in ((j, "config.json"), (clip, "vision_tower/config.json"), (dino, "vision_tower_local/config.json")):
        with open(os.path.join(directory, path)) as f:
            into.update(json.load(f))
    model = FerretV2(
        dict(
            side=j["tile_side"],
            patch_size=clip["patch_size"],
            width=clip["hidden_size"],
            vision_intermediate=clip["intermediate_size"],
            clip_layers=clip["num_hidden_layers"],
            dino_layers=dino["num_hidden_layers"],
            vision_heads=clip["num_attention_heads"],
            hidden_size=j["hidden_size"],
            intermediate_size=j["intermediate_size"],
            layers=j["num_hidden_layers"],
            heads=j["num_attention_heads"],
            vocab_size=j["vocab_size"],
            region_token=j["im_region_fea_token"],
            rms_eps=j["rms_norm_eps"],
            rope_theta=j["rope_theta"],
            max_positions=j["max_position_embeddings"],
        )
    )
    assert (model.config["side"], model.config["patch_size"]) == (S.TILE, S.PATCH)
    weights = load_file(os.path.join(directory, "model.safetensors"))
    model.load_state_dict({k: w.float() for k, w in weights.items()})
    return model.eval()


def load_state(directory):
    return trained(FerretV2, directory)


if __name__ == "__main__":
    a = options(__doc__).parse_args()
    save(load_state(a.state), a.out)
