# SPDX-License-Identifier: Apache-2.0
"""Checks the PyTorch definition against tools/reference/ferret.py (transformers' CLIP, DINOv2 and LLaMA, the sampler step by step).

python -m ferret.check models/ferret-nano/checkpoint
"""

import os
import sys

import numpy as np
import torch
from transformers import CLIPVisionConfig, Dinov2Config, LlamaConfig

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "reference"))

from . import export, talk
from . import regions as R
from . import scenes as S
from .model import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, normalised


def reference():
    """tools/reference/ferret.py, whose name this package has."""
    import importlib.util

    path = os.path.join(sys.path[-1], "ferret.py")
    spec = importlib.util.spec_from_file_location("reference_ferret", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def published(name):
    """The reference's names -> the checkpoint's."""
    for old, new in (
        ("sampler.", "model.region_geo_sampler."),
        ("llm.", ""),
        ("local_projector.", "model.mm_projector_local."),
        ("projector.", "model.mm_projector."),
        ("dino.", "model.vision_tower_local.vision_tower."),
        ("vision.vision_model.", "model.vision_tower.vision_tower.vision_model."),
        ("vision.", "model.vision_tower.vision_tower.vision_model."),
    ):
        if name.startswith(old):
            name = new + name.removeprefix(old)
            break
    if "vision_tower_local" in name:
        for old, new in (("q_proj", "attention.query"), ("k_proj", "attention.key"), ("v_proj", "attention.value"), ("o_proj", "output.dense")):
            name = name.replace("attention." + old, "attention." + new)
    return name


def furthest(a, b):
    return f"{(a - b).abs().max().item():.2e} of {b.abs().max().item():.2f}"


@torch.no_grad()
def main(directory):
    torch.manual_seed(0)
    model = export.load(directory)
    c, weights = model.config, model.state_dict()
    text = LlamaConfig(**{k: v for k, v in export.config(c).items() if isinstance(v, (int, float, bool)) and not k.startswith("mm_")})
    other = (
        reference()
        .Ferret("ferret_v2", CLIPVisionConfig(**export.clip_config(c)), text, Dinov2Config(**export.dino_config(c)), c["side"], transposed=False)
        .eval()
    )
    other.clip = lambda x: other.vision(x, output_hidden_states=True).hidden_states[-1][:, 1:]  # all layers are used here
    print(other.load_state_dict({k: weights[published(k)] for k in other.state_dict() if published(k) in weights}, strict=False))
    rng = np.random.default_rng(3)
    s = S.scene(rng, (2, 2), 4)
    whole, tiles = (torch.from_numpy(x.copy()) for x in S.views(s.image, s.grid))
    mine, local = model.see(whole[None], tiles[None], s.grid)
    tokens = model.image_tokens(mine, local)
    fused, width, height = model.fused(mine, local, s.grid)
    theirs, their_map = other(normalised(whole[None], CLIP_MEAN, CLIP_STD), normalised(tiles, IMAGENET_MEAN, IMAGENET_STD), *s.grid[::-1])
    print("image tokens:", furthest(tokens[0], theirs), " map:", furthest(fused[0].view(height, width, -1), their_map))
    vectors = []
    for form, thing in zip(R.FORMS, s.things):
        region = R.region(rng, s, thing, form)
        g = R.geometry([region], [s.size], exact=True)
        vector = model.regions(mine, local, s.grid, {k: torch.from_numpy(v)[None] for k, v in g.items()})[0, 0]
        pixels = torch.from_numpy(g["places"][0] * np.array(s.size, np.float32)).round()
        print(form, furthest(vector, other.sampler(their_map, pixels, s.size, (0, 0))))
        vectors.append(vector)
    before, after = talk.around_image()
    ids = torch.tensor([[talk.ids(talk.question(talk.refer(rng, s, 0, "point"), s.size))]])
    prefix = model.prefix(tokens, before, after)
    hidden, _ = model.decode(prefix, [ids], vectors[0][None, None])
    x = torch.cat([prefix, model.embedder(vectors[0][None, None])(ids)[0]], 1)
    print("logits:", furthest(model.lm_head(hidden[0])[0, 0], other.llm(inputs_embeds=x).logits[0, prefix.shape[1] :]))


if __name__ == "__main__":
    main(sys.argv[1])
