# SPDX-License-Identifier: Apache-2.0
"""Random vision towers in published layouts, each behind a decoder of almost no size, with the outliers of real ones put in."""

import base64
import json
import os
from typing import Callable, NamedTuple

import numpy as np

from .checkpoint import save_safetensors

INJECTIONS = (
    ("nothing", 1, 1), ("3 norm channels x 20", 20, 1), ("3 norm channels x 60", 60, 1), ("3 norm channels x 200", 200, 1),
    ("4 MLP units x 100", 1, 100), ("4 MLP units x 200", 1, 200),
)  # fmt: skip
TEXT = 64  # the decoder's width


class Tower(NamedTuple):
    """build() gives the tensors and a function that writes a folder of them; the rest names what outliers are put into."""

    build: Callable
    layers: int
    block: str
    norms: tuple  # (norm, matrices that read it)
    mlp: tuple  # (first, second) matrix


def inject(tensors, tower, channels, units):
    """`channels`: factor of some channels of each norm, whose columns behind are divided; `units`: of some rows of each MLP."""
    rng = np.random.default_rng(9)
    out = dict(tensors)

    def scale(name, index, factor):
        out[name] = out[name].copy()
        out[name][index] *= factor

    for i in range(tower.layers):
        at = tower.block.format(i)
        inner, hidden = tensors[at + tower.mlp[0] + ".weight"].shape
        some = rng.choice(hidden, 3, replace=False)
        for norm, behind in tower.norms:
            for part in (".weight", ".bias"):
                scale(at + norm + part, some, channels)
            for name in behind:
                scale(at + name + ".weight", (slice(None), some), 1 / channels)
        some = rng.choice(inner, 4, replace=False)
        for part in (".weight", ".bias"):
            scale(at + tower.mlp[0] + part, some, units)
        scale(at + tower.mlp[1] + ".weight", (slice(None), some), 1 / units)
    return out


def clip(hidden, layers, seed, side=224, patch=14, prefix="vision_tower.vision_model.", inner=None):
    """A random CLIP tower in transformers' names."""
    rng = np.random.default_rng(seed)
    w = {}

    def linear(name, outputs, inputs):
        w[name + ".weight"] = rng.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)
        w[name + ".bias"] = rng.normal(0, 0.02, outputs).astype(np.float32)

    def norm(name):
        w[name + ".weight"] = rng.normal(1, 0.1, hidden).astype(np.float32)
        w[name + ".bias"] = rng.normal(0, 0.02, hidden).astype(np.float32)

    w["embeddings.class_embedding"] = rng.normal(0, 0.5, hidden).astype(np.float32)
    w["embeddings.patch_embedding.weight"] = rng.normal(0, (3 * patch * patch) ** -0.5, (hidden, 3, patch, patch)).astype(np.float32)
    w["embeddings.position_embedding.weight"] = rng.normal(0, 0.2, ((side // patch) ** 2 + 1, hidden)).astype(np.float32)
    norm("pre_layrnorm")
    norm("post_layernorm")
    for i in range(layers):
        at = f"encoder.layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(at + "self_attn." + name, hidden, hidden)
        norm(at + "layer_norm1")
        norm(at + "layer_norm2")
        linear(at + "mlp.fc1", inner or 4 * hidden, hidden)
        linear(at + "mlp.fc2", hidden, inner or 4 * hidden)
    return {prefix + name: x for name, x in w.items()}


def tokenizer(vocabulary, merges, special):
    """A byte-level tokenizer.json."""
    vocab = {t: i for i, t in enumerate(vocabulary)}
    added = [
        {"id": i, "content": vocabulary[i], "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for i in sorted(special)
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": level,
        "post_processor": None, "decoder": level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges,
        },
    }  # fmt: skip


def preprocessor(side):
    return {
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side},
        "resample": 3, "do_resize": True, "do_rescale": True, "do_normalize": True,
    }  # fmt: skip


def write(folder, tensors, files):
    os.makedirs(folder, exist_ok=True)
    save_safetensors(os.path.join(folder, "model.safetensors"), tensors)
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(content if isinstance(content, str) else json.dumps(content))


def write_llava(folder, tensors, text, vision, vocabulary, tokens=None):
    image = vocabulary.index("<image>")
    merges, special = tokens or ([], [])
    files = {
        "tokenizer.json": tokenizer(vocabulary, merges, {*special, image}),
        "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer", "eos_token": vocabulary[image], "add_bos_token": False},
        "config.json": {
            "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "image_token_index": image, "vision_feature_layer": -1,
            "vision_feature_select_strategy": "default", "projector_hidden_act": "gelu", "text_config": text, "vision_config": vision,
            "tie_word_embeddings": True,
        },
        "preprocessor_config.json": preprocessor(vision["image_size"]),
    }  # fmt: skip
    write(folder, tensors, files)


def projector(rng, inputs, outputs, names=("multi_modal_projector.linear_1", "multi_modal_projector.linear_2")):
    def linear(o, i):
        return rng.normal(0, i**-0.5, (o, i)).astype(np.float32), np.zeros(o, np.float32)

    (w1, b1), (w2, b2) = linear(outputs, inputs), linear(outputs, outputs)
    first, second = names
    return {first + ".weight": w1, first + ".bias": b1, second + ".weight": w2, second + ".bias": b2}


def llama_config(hidden, inner, layers, heads, kv_heads, vocabulary):
    return {
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocabulary, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        "rope_theta": 100000.0, "tie_word_embeddings": True, "hidden_act": "silu",
    }  # fmt: skip


def clip_config(hidden, layers, side, inner=None, head=64, activation="quick_gelu"):
    return {
        "model_type": "clip_vision_model", "hidden_size": hidden, "intermediate_size": inner or 4 * hidden, "num_hidden_layers": layers,
        "num_attention_heads": hidden // head, "image_size": side, "patch_size": 14, "hidden_act": activation,
    }  # fmt: skip


def small_decoder(rng, hidden, layers, vocabulary):
    w = {"embed_tokens.weight": rng.normal(0, 0.02, (vocabulary, hidden)).astype(np.float32), "norm.weight": np.ones(hidden, np.float32)}
    for i in range(layers):
        for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"):
            w[f"layers.{i}.{name}.weight"] = rng.normal(0, 0.02, (hidden, hidden)).astype(np.float32)
        for name, shape in (("gate_proj", (2 * hidden, hidden)), ("up_proj", (2 * hidden, hidden)), ("down_proj", (hidden, 2 * hidden))):
            w[f"layers.{i}.mlp.{name}.weight"] = rng.normal(0, 0.02, shape).astype(np.float32)
        for name in ("input_layernorm", "post_attention_layernorm"):
            w[f"layers.{i}.{name}.weight"] = np.ones(hidden, np.float32)
    return w


class Random:
    """Tensors by name, weights of inputs^-1/2."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.w = {}

    def table(self, name, shape, scale, centre=0.0):
        self.w[name] = self.rng.normal(centre, scale, shape).astype(np.float32)

    def linear(self, name, *shape, bias=True):
        self.table(name + ".weight", shape, np.prod(shape[1:]) ** -0.5)
        if bias:
            self.table(name + ".bias", shape[0], 0.02)

    def norm(self, name, size):
        self.table(name + ".weight", size, 0.1, 1)
        self.table(name + ".bias", size, 0.02)


def vocabulary(*special):
    return [chr(256 + i) if i < 256 else f"<{i}>" for i in range(320 - len(special))] + list(special)


def llava(hidden, layers, inner=None, head=64, activation="quick_gelu", side=224):
    words = vocabulary("<image>")
    tensors = clip(hidden, layers, 1, side, inner=inner)
    rng = np.random.default_rng(3)
    tensors.update({f"language_model.model.{n}": x for n, x in small_decoder(rng, TEXT, 1, len(words)).items()})
    tensors.update(projector(np.random.default_rng(4), hidden, TEXT))
    text, vision = llama_config(TEXT, 2 * TEXT, 1, 1, 1, len(words)), clip_config(hidden, layers, side, inner, head, activation)
    return tensors, lambda folder, tensors: write_llava(folder, tensors, text, vision, words)


def ferret(hidden, layers, side=224):
    """DINOv2 as Ferret-v2's encoder of one tile, beside a CLIP tower of almost no size and effect."""
    words = vocabulary("<|eot_id|>", "<region_fea>")
    r = Random(1)
    at = DINO.rsplit("encoder.", 1)[0]
    r.linear(at + "embeddings.patch_embeddings.projection", hidden, 3, 14, 14)
    r.table(at + "embeddings.cls_token", (1, 1, hidden), 0.5)
    r.table(at + "embeddings.position_embeddings", (1, (side // 14) ** 2 + 1, hidden), 0.2)
    for i in range(layers):
        at = DINO.format(i)
        for name in ("query", "key", "value"):
            r.linear(f"{at}attention.attention.{name}", hidden, hidden)
        r.linear(at + "attention.output.dense", hidden, hidden)
        r.linear(at + "mlp.fc1", 4 * hidden, hidden)
        r.linear(at + "mlp.fc2", hidden, 4 * hidden)
        for n in "12":
            r.norm(at + "norm" + n, hidden)
            r.table(f"{at}layer_scale{n}.lambda1", hidden, 0.1, 0.4)
    r.norm(DINO.rsplit("encoder.", 1)[0] + "layernorm", hidden)
    at = "model.region_geo_sampler."
    for i in "01":
        r.linear(f"{at}diff_projector_list.{i}", TEXT + 2, TEXT + 2)
        r.linear(f"{at}agg_projector_list.{i}.net.0", TEXT, 2 * (TEXT + 2), 1)
        r.norm(f"{at}agg_projector_list.{i}.norm", TEXT)
    r.linear(at + "flatten_projector", TEXT, 32 * TEXT)
    r.linear(at + "dim_projector", TEXT, TEXT)
    tensors = r.w
    tensors.update({f"model.{n}": x for n, x in small_decoder(r.rng, TEXT, 1, len(words)).items()})
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    tensors.update(clip(128, 2, 5, side, prefix="model.vision_tower.vision_tower.vision_model."))
    for name, inputs, size in (("mm_projector", 128, 0.05), ("mm_projector_local", hidden, 1)):
        found = projector(r.rng, inputs, TEXT, (f"model.{name}.0", f"model.{name}.2"))
        found[f"model.{name}.2.weight"] *= np.float32(size)
        tensors.update(found)
    files = {
        "config.json": {
            **llama_config(TEXT, 2 * TEXT, 1, 1, 1, len(words)), "architectures": ["FerretV2LlamaForCausalLM"], "model_type": "ferret_v2",
            "tie_word_embeddings": False, "im_region_fea_token": len(words) - 1, "region_geo_sampler": True, "image_aspect_ratio": "anyres",
            "mm_patch_merge_type": "spatial", "mm_hidden_size": 128, "mm_use_im_start_end": False, "mm_vision_select_feature": "patch",
            "mm_vision_select_layer": -2, "mm_vision_tower": "clip", "mm_projector_type": "mlp2x_gelu", "mm_vision_tower_local": "dino",
            "mm_hidden_size_local": hidden, "global_side": side, "tile_side": side, "image_grid_pinpoints": [[side, side]],
        },
        "generation_config.json": {"eos_token_id": len(words) - 2, "bos_token_id": len(words) - 2},
        "tokenizer.json": tokenizer(words, [], [len(words) - 2, len(words) - 1]),
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|eot_id|>"},
        "vision_tower/config.json": clip_config(128, 2, side),
        "vision_tower/preprocessor_config.json": preprocessor(side),
        "dino/config.json": {
            "model_type": "dinov2", "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": hidden // 64, "image_size": side,
            "patch_size": 14,
        },
    }  # fmt: skip
    return tensors, lambda folder, tensors: write(folder, tensors, files)


def got(hidden, layers, side=448, window=14):
    """SAM's encoder as GOT-OCR2's, every second block global."""
    r = Random(1)
    r.table("vision_tower.pos_embed", (1, side // 16, side // 16, hidden), 0.2)
    r.linear("vision_tower.patch_embed.projection", hidden, 3, 16, 16)
    for i in range(layers):
        at = SAM.format(i)
        for n in "12":
            r.norm(at + "layer_norm" + n, hidden)
        r.linear(at + "attn.qkv", 3 * hidden, hidden)
        r.linear(at + "attn.proj", hidden, hidden)
        r.linear(at + "mlp.lin1", 4 * hidden, hidden)
        r.linear(at + "mlp.lin2", hidden, 4 * hidden)
        for axis in "hw":
            r.table(f"{at}attn.rel_pos_{axis}", (2 * (side // 16 if i % 2 else window) - 1, 64), 0.1)
    at, projected = "vision_tower.neck.", "multi_modal_projector."
    r.linear(at + "conv1", 256, hidden, 1, 1, bias=False)
    r.linear(at + "conv2", 256, 256, 3, 3, bias=False)
    for n in "12":
        r.norm(at + "layer_norm" + n, 256)
    r.linear(projected + "conv_upsampler1", 512, 256, 3, 3, bias=False)
    r.linear(projected + "conv_upsampler2", 1024, 512, 3, 3, bias=False)
    r.linear(projected + "multimodal_projector", TEXT, 1024)
    tensors, words = r.w, 151860  # tokens above the bytes have fixed numbers
    tensors.update({f"language_model.model.{n}": x for n, x in small_decoder(r.rng, TEXT, 1, words).items()})
    for name in "qkv":
        r.table(f"language_model.model.layers.0.self_attn.{name}_proj.bias", TEXT, 0.02)
    files = {
        "config.json": {
            "architectures": ["GotOcr2ForConditionalGeneration"], "model_type": "got_ocr2", "image_token_index": words - 1, "eos_token_id": 256,
            "text_config": {**llama_config(TEXT, 2 * TEXT, 1, 1, 1, words), "model_type": "qwen2", "use_sliding_window": False},
            "vision_config": {
                "model_type": "got_ocr2_vision", "hidden_size": hidden, "output_channels": 256, "num_hidden_layers": layers,
                "num_attention_heads": hidden // 64, "num_channels": 3, "image_size": side, "patch_size": 16, "hidden_act": "gelu",
                "layer_norm_eps": 1e-6, "qkv_bias": True, "use_abs_pos": True, "use_rel_pos": True, "window_size": window,
                "global_attn_indexes": list(range(1, layers, 2)), "mlp_dim": 4 * hidden,
            },
        },
        "qwen.tiktoken": "".join(f"{base64.b64encode(bytes([i])).decode()} {i}\n" for i in range(256)),
    }  # fmt: skip
    return tensors, lambda folder, tensors: write(folder, tensors, files)


CLIP = "vision_tower.vision_model.encoder.layers.{}."
CLIP_NORMS = (("layer_norm1", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")), ("layer_norm2", ("mlp.fc1",)))
DINO = "model.vision_tower_local.vision_tower.encoder.layer.{}."
DINO_NORMS = (("norm1", tuple(f"attention.attention.{n}" for n in ("query", "key", "value"))), ("norm2", ("mlp.fc1",)))
SAM = "vision_tower.layers.{}."
TOWERS = {
    "CLIP-L": Tower(lambda: llava(1024, 6), 6, CLIP, CLIP_NORMS, ("mlp.fc1", "mlp.fc2")),
    "bigG": Tower(lambda: llava(1664, 3, 8192, 104, "gelu"), 3, CLIP, CLIP_NORMS, ("mlp.fc1", "mlp.fc2")),
    "DINOv2-L": Tower(lambda: ferret(1024, 4), 4, DINO, DINO_NORMS, ("mlp.fc1", "mlp.fc2")),
    "SAM-B": Tower(lambda: got(768, 4), 4, SAM, (("layer_norm1", ("attn.qkv",)), ("layer_norm2", ("mlp.lin1",))), ("mlp.lin1", "mlp.lin2")),
}
