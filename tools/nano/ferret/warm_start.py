# SPDX-License-Identifier: Apache-2.0
"""Makes a first state from the shipped nano models: both towers from Monkey's trunk, which reads characters and knows the icons; the
decoder, where a word of the vocabulary means the same, from HiRes-LLaVA's.

    python -m ferret.warm_start --out S/f0/state.pt

The trunk is a plain vision transformer for tiles of 96 pixels: the middle of its positions stays, its adapters are dropped, and the
first normalisation that DINOv2 lacks is laid into the patch projection (exact but for its division, which becomes a mean).
"""

import argparse
import os

import torch
from safetensors.torch import load_file
from slicing import CLIP_MEAN, CLIP_STD
from tokenizer import Tokenizer

from . import tokens as T
from .model import DEFAULT, IMAGENET_MEAN, IMAGENET_STD, FerretV2

MODELS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models")


def blocks(t, c, theirs, name):
    """Monkey's blocks under the names that `name(i, part, leaf)` gives for q, k, v, out, norm1, norm2, fc1, fc2."""
    out, size = {}, c["width"] // c["vision_heads"]
    for i in range(theirs):
        b = f"transformer.resblocks.{i}."
        for leaf in ("weight", "bias"):
            parts = t[f"{b}attn.in_proj.{leaf}"].unflatten(0, (c["vision_heads"], 3, size)).unbind(1)
            for part, value in zip(("q", "k", "v"), parts):
                out[name(i, part, leaf)] = value.flatten(0, 1)
            for part, old in (("out", "attn.out_proj"), ("norm1", "ln_1"), ("norm2", "ln_2"), ("fc1", "mlp.c_fc"), ("fc2", "mlp.c_proj")):
                out[name(i, part, leaf)] = t[f"{b}{old}.{leaf}"]
    return out


def clip(t, c):
    root = "model.vision_tower.vision_tower.vision_model."
    parts = {
        "q": "self_attn.q_proj",
        "k": "self_attn.k_proj",
        "v": "self_attn.v_proj",
        "out": "self_attn.out_proj",
        "norm1": "layer_norm1",
        "norm2": "layer_norm2",
        "fc1": "mlp.fc1",
        "fc2": "mlp.fc2",
    }
    out = blocks(t, c, c["clip_layers"], lambda i, part, leaf: f"encoder.layers.{i}.{parts[part]}.{leaf}")
    positions = middle(t["positional_embedding"], c)
    out.update(
        {
            "embeddings.patch_embedding.weight": t["conv1.weight"],
            "embeddings.class_embedding": torch.zeros(c["width"]),
            "embeddings.position_embedding.weight": torch.cat([positions.mean(0, keepdim=True), positions]),
            "pre_layrnorm.weight": t["ln_pre.weight"],
            "pre_layrnorm.bias": t["ln_pre.bias"],
        }
    )
    return {root + k: v for k, v in out.items()}


def dino(t, c, deviation):
    root = "model.vision_tower_local.vision_tower."
    parts = {
        "q": "attention.attention.query",
        "k": "attention.attention.key",
        "v": "attention.attention.value",
        "out": "attention.output.dense",
        "norm1": "norm1",
        "norm2": "norm2",
        "fc1": "mlp.fc1",
        "fc2": "mlp.fc2",
    }
    out = blocks(t, c, c["dino_layers"], lambda i, part, leaf: f"encoder.layer.{i}.{parts[part]}.{leaf}")
    d = c["width"]
    centre = (torch.eye(d) - 1 / d) * (t["ln_pre.weight"] / deviation)[:, None]
    ratio = torch.tensor(IMAGENET_STD) / torch.tensor(CLIP_STD)
    shift = (torch.tensor(IMAGENET_MEAN) - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_STD)
    w = t["conv1.weight"]
    bias = (w * shift[:, None, None]).sum((1, 2, 3))
    positions = middle(t["positional_embedding"], c)
    positions = torch.cat([positions.mean(0, keepdim=True), positions])
    out.update(
        {
            "embeddings.patch_embeddings.projection.weight": torch.einsum("de,eijk->dijk", centre, w * ratio[:, None, None]),
            "embeddings.patch_embeddings.projection.bias": centre @ bias,
            "embeddings.position_embeddings": (positions @ centre.T + t["ln_pre.bias"])[None],
            "embeddings.cls_token": torch.zeros(1, 1, d),
        }
    )
    return {root + k: v for k, v in out.items()}


def middle(positions, c):
    theirs, mine = round(len(positions) ** 0.5), c["side"] // c["patch_size"]
    first = (theirs - mine) // 2
    return positions.unflatten(0, (theirs, theirs))[first : first + mine, first : first + mine].flatten(0, 1)


def typical_deviation(t, c):
    """Of the trunk's embeddings before their first normalisation, over patches of scenes."""
    import numpy as np

    from . import scenes as S
    from .model import normalised

    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(S.encoder_batch(rng, 60)["tiles"]).flatten(0, 1)
    p = c["patch_size"]
    x = normalised(pixels, CLIP_MEAN, CLIP_STD)
    x = torch.nn.functional.conv2d(x, t["conv1.weight"], stride=p).flatten(2).transpose(1, 2) + middle(t["positional_embedding"], c)
    return x.std(-1).mean()


def decoder(model, vocabulary):
    theirs = load_file(os.path.join(MODELS, "hires-llava-nano", "checkpoint", "model.safetensors"))
    old = Tokenizer(os.path.join(MODELS, "hires-llava-nano", "checkpoint", "tokenizer.model"))
    out = {k: v.float() for k, v in theirs.items() if k.startswith(("model.layers.", "model.norm."))}
    out.update(
        {
            "model.mm_projector.0.weight": theirs["model.mm_projector.mlp.0.weight"].float(),
            "model.mm_projector.0.bias": theirs["model.mm_projector.mlp.0.bias"].float(),
            "model.mm_projector.2.weight": theirs["model.mm_projector.mlp.2.weight"].float(),
            "model.mm_projector.2.bias": theirs["model.mm_projector.mlp.2.bias"].float(),
        }
    )
    pieces = {old.sp.id_to_piece(i): i for i in range(len(old))}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        mine = model.state_dict()[name].clone()
        for i in range(len(vocabulary)):
            j = pieces.get(vocabulary.sp.id_to_piece(i)) if i < vocabulary.sp.get_piece_size() else None
            if j is not None:
                mine[i] = theirs[name][j].float()
        values = T.number_waves(mine.shape[1])
        mine[vocabulary.numbers] = values * (mine[300:].std() if "embed" in name else 0.05)
        out[name] = mine
    return out


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    torch.manual_seed(0)
    vocabulary = T.tokenizer()
    config = {**DEFAULT, "vocab_size": len(vocabulary), "region_token": vocabulary.region}
    model = FerretV2(config)
    root = "transformer.visual."
    trunk = load_file(os.path.join(MODELS, "monkey-nano", "checkpoint", "model.safetensors"))
    trunk = {k[len(root) :]: v.float() for k, v in trunk.items() if k.startswith(root) and "lora" not in k}
    weights = {**clip(trunk, config), **dino(trunk, config, typical_deviation(trunk, config)), **decoder(model, vocabulary)}
    weights.update({k.replace("mm_projector.", "mm_projector_local."): v for k, v in weights.items() if "mm_projector." in k})
    missing = model.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys, missing.unexpected_keys
    print("new:", missing.missing_keys)
    os.makedirs(os.path.dirname(a.out), exist_ok=True)
    torch.save({"config": model.config, "model": model.state_dict(), "heads": {}, "minutes": {}}, a.out)
