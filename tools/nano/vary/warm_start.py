# SPDX-License-Identifier: Apache-2.0
"""Makes a first state for stage 1 from nano Monkey's checkpoint: its trunk reads characters on tiles already.

    python -m vary.warm_start --from models/monkey-nano/checkpoint --out S/v0/state.pt

The trunk (without the tiles' adapters) becomes the vocabulary network's windowed blocks: a window has a tile's 12 x 12 patches and the
tile's positions, so a block sees what it was trained on. A global block between them starts as nothing, as do the relative positions.
SAM has no norm behind the patch embedding; the trunk's is folded into embedding and positions, its division by the deviation as the
usual one of patches with ink.
"""

import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F
from monkey import export

from . import documents as D
from . import tiny
from .model import DEFAULT, VaryTiny


def embedded(network, pages):
    """Patch embeddings before positions and bias, and which patches have ink."""
    pixels = torch.from_numpy(np.stack([np.asarray(p.image) for p in pages])).float()
    b, s, p = len(pages), network.side, network.patch
    x = pixels.sub(network.mean).div(network.std).view(b, s, p, s, p, 3).permute(0, 1, 3, 5, 2, 4).reshape(b, s, s, 3 * p * p)
    return F.linear(x, network.patch_embed.proj.weight.flatten(1)), x.std(-1) > 0.2


@torch.no_grad()
def transplant(network, trunk, c):
    """Writes the trunk's weights into the network."""
    window, old = c["window"], {k: v for k, v in trunk.state_dict().items() if "lora" not in k and "attn_pool" not in k}
    side = network.side
    at = torch.arange(side) % window
    positions = old["positional_embedding"].view(window, window, -1)[at][:, at]
    network.patch_embed.proj.weight.copy_(old["conv1.weight"])
    x, ink = embedded(network, [D.document(np.random.default_rng(i)).squashed() for i in range(32)])
    deviation = (x + positions).var(-1, unbiased=False).sqrt()[ink].mean()
    print(f"deviation before the norm {deviation:.3f}, of patches without ink {(x + positions).std(-1)[~ink].mean():.3f}")
    w = old["ln_pre.weight"] / deviation

    def normed(t):  # channels last
        return (t - t.mean(-1, keepdim=True)) * w

    network.patch_embed.proj.weight.copy_(normed(old["conv1.weight"].movedim(0, -1)).movedim(-1, 0))
    network.patch_embed.proj.bias.copy_(old["ln_pre.bias"])
    network.pos_embed.copy_(normed(positions)[None])
    sources = iter(range(c["depth"]))
    for i, block in enumerate(network.blocks):
        block.attn.rel_pos_h.zero_()
        block.attn.rel_pos_w.zero_()
        if i in c["global_blocks"]:
            for part in (block.attn.proj, block.mlp.lin2):
                part.weight.zero_()
                part.bias.zero_()
            continue
        theirs = f"transformer.resblocks.{next(sources)}."
        names = {"norm1": "ln_1", "norm2": "ln_2", "attn.proj": "attn.out_proj", "mlp.lin1": "mlp.c_fc", "mlp.lin2": "mlp.c_proj"}
        for leaf in ("weight", "bias"):
            for mine, name in names.items():
                getattr(block.get_submodule(mine), leaf).copy_(old[f"{theirs}{name}.{leaf}"])
            rows = old[f"{theirs}attn.in_proj.{leaf}"].unflatten(0, (c["tower_heads"], 3, -1))  # each head's q, k, v
            getattr(block.attn.qkv, leaf).copy_(rows.transpose(0, 1).flatten(0, 2))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--from", dest="source", required=True)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    words = tiny.tokenizer()
    config = {**DEFAULT, "vocab_size": words.vocab_size, "image_start": words.image_start}
    torch.manual_seed(0)
    model = VaryTiny(config)
    transplant(model.model.vision_tower_2, export.load(a.source).transformer.visual, model.config)
    os.makedirs(os.path.dirname(a.out), exist_ok=True)
    torch.save({"config": model.config, "model": model.state_dict(), "heads": {}, "minutes": {}}, a.out)
