# SPDX-License-Identifier: Apache-2.0
"""Makes a first state for stage 2: CLIP from a HiRes-LLaVA vision stage without SliceRestore, the vocabulary network from stage 1.

    python -m vary.join --clip S/b0/state.pt --tiny S/v2/state.pt --out S/v3/start.pt

CLIP sees a page at a quarter of its side; its positions are interpolated from the grid it was trained on.
"""
import argparse
import os

import torch

from monkey.model import interpolate_positions
from . import base
from .model import CLIP, DEFAULT, Vary

if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--clip", required=True)
    p.add_argument("--tiny", required=True)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    tiny = torch.load(a.tiny, weights_only=False)
    words = base.tokenizer()
    sizes = {k: v for k, v in tiny["config"].items() if k not in ("ff", "vocab_size", "image_start", "layers", "heads", "hidden_size")}
    config = {**DEFAULT, **sizes, "ff": 512, "vocab_size": len(words), "image_start": words.image_start}
    torch.manual_seed(0)
    model = Vary(config)
    root, mine = "model.vision_tower.vision_tower.vision_model.", "transformer.vision_tower.vision_model."
    weights = {mine + k[len(root):]: v for k, v in torch.load(a.clip, weights_only=False)["model"].items() if k.startswith(root)}
    name = mine + "embeddings.position_embedding.weight"
    patches = (CLIP["image_size"] // CLIP["patch_size"]) ** 2
    weights[name] = torch.cat([weights[name][:1], interpolate_positions(weights[name][1:], patches)])
    root = "model.vision_tower_2."
    weights.update({"transformer.vision_tower_high." + k[len(root):]: v for k, v in tiny["model"].items() if k.startswith(root)})
    missing = model.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and not [k for k in missing.missing_keys if "vision_tower" in k], missing
    os.makedirs(os.path.dirname(a.out), exist_ok=True)
    torch.save({"config": model.config, "model": model.state_dict(), "heads": {}, "minutes": {}}, a.out)
