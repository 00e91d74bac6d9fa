# SPDX-License-Identifier: Apache-2.0
"""Makes a first state for the trunk stage from a HiRes-LLaVA vision-stage state without SliceRestore.

    python -m monkey.warm_start --from S/hires/state.pt --out S/monkey0/state.pt

Its tower is a plain vision transformer on the same tiles and reads characters already. The class token is dropped; the MLP, there
trained with SiLU, becomes quick_gelu exactly and GELU nearly (silu(z) = 1.702 quick_gelu(z / 1.702)); the rest is learned anew.
"""

import argparse
import os

import torch
from export import FOLD

from .model import DEFAULT, Monkey


def tower(theirs, c):
    """The trunk's tensors by their names in Monkey's checkpoint."""
    root = "model.vision_tower.vision_tower.vision_model."
    t = {k[len(root) :]: v for k, v in theirs.items() if k.startswith(root)}
    out = {
        "conv1.weight": t["embeddings.patch_embedding.weight"],
        "positional_embedding": t["embeddings.position_embedding.weight"][1:],
        "ln_pre.weight": t["pre_layrnorm.weight"],
        "ln_pre.bias": t["pre_layrnorm.bias"],
    }
    size = c["width"] // c["tower_heads"]
    for i in range(c["tower_layers"]):
        a, b = f"encoder.layers.{i}.", f"transformer.resblocks.{i}."
        for leaf in ("weight", "bias"):
            for n in "12":
                out[f"{b}ln_{n}.{leaf}"] = t[f"{a}layer_norm{n}.{leaf}"]
            parts = [t[f"{a}self_attn.{p}_proj.{leaf}"].unflatten(0, (-1, size)) for p in "qkv"]
            out[f"{b}attn.in_proj.{leaf}"] = torch.stack(parts, 1).flatten(0, 2)
            out[f"{b}attn.out_proj.{leaf}"] = t[f"{a}self_attn.out_proj.{leaf}"]
            out[f"{b}mlp.c_fc.{leaf}"] = t[f"{a}mlp.fc1.{leaf}"] / FOLD
        out[f"{b}mlp.c_proj.weight"] = t[f"{a}mlp.fc2.weight"] * FOLD
        out[f"{b}mlp.c_proj.bias"] = t[f"{a}mlp.fc2.bias"]
    return {"transformer.visual." + k: v for k, v in out.items()}


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--from", dest="source", required=True)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    state = torch.load(a.source, weights_only=False)
    torch.manual_seed(0)
    config = {**DEFAULT, "vocab_size": 8, "adapters": 0}
    model = Monkey(config)
    missing = model.load_state_dict(tower(state["model"], config), strict=False)
    assert not missing.unexpected_keys
    assert not [k for k in missing.missing_keys if "resblocks" in k or "ln_pre" in k]
    heads = {k: v for k, v in state["heads"].items() if k.startswith("patch.")}
    os.makedirs(os.path.dirname(a.out), exist_ok=True)
    torch.save({"config": config, "model": model.state_dict(), "heads": heads, "minutes": {}}, a.out)
