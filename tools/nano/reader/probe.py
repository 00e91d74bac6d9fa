# SPDX-License-Identifier: Apache-2.0
"""What the parts of an unfinished training know, on held-out fonts and texts:

    READER_STOCK=STOCK python -m reader.probe --tokenizer STATE/tokenizer.model STATE/2-pages/state.pt …

Characters right in the fine slots of the image vectors, by the letters' size, as drawn and through the camera; how many cells (16 pixels) the
decoder's second layer misplaces vectors, by the grid of slices."""

import argparse

import numpy as np
import torch

from . import export, train
from . import pages as P
from . import stock as K
from .model import Heads
from .tokens import Tokenizer

SIZES = (10, 13, 16, 22, 30)
KINDS = ("web", "receipt", "book", "dialog", "form", "terminal", "table", "web")
GRIDS = ((1, 2), (2, 3), (3, 4), (5, 5), (8, 6), (10, 7))


def loaded(path):
    state = torch.load(path, weights_only=False, map_location="cpu")
    model = export.of_state(state)
    heads = Heads(model.config)
    heads.load_state_dict(state["heads"])
    return model, heads.eval()


@torch.no_grad()
def slots(model, heads, stock, size, camera):
    """(characters right, characters) of eight pages."""
    right = count = 0
    for i, kind in enumerate(KINDS):
        rng = np.random.default_rng((5, size, i))
        page = P.draw(rng, stock, kind, 420, 280, size)
        page = P.photographed(rng, page) if camera else page
        pixels, grid, middles, boxes = P.view(page)
        target = torch.from_numpy(P.labels(page, grid, middles, boxes)[1][..., :-2].astype(np.int64))
        vectors = model.sample(model.see(torch.from_numpy(pixels)[None], *grid))[0, 1:]
        said = heads.slots(vectors).unflatten(-1, (target.shape[-1], -1)).argmax(-1)
        full = target != K.NO_CHARACTER
        right, count = right + int(((said == target) & full).sum()), count + int(full.sum())
    return right, count


@torch.no_grad()
def misplaced(model, heads, stock, grid, before):
    """Mean distance in cells: (rows, columns)."""
    page = P.draw(np.random.default_rng(1), stock, "web", grid[1] * P.BASE, grid[0] * P.BASE, 14)
    pixels, grid, _, _ = P.view(page)
    prefix = model.prefix(model.sample(model.see(torch.from_numpy(pixels)[None], *grid)), grid[1], before)
    states = model.decode(prefix, (train.PLACE_LAYER,))[1][train.PLACE_LAYER][2][:, len(before) :]
    said, target = heads.cells(states, *grid)
    return (16 * (said - target).abs()).mean((0, 1, 2)).tolist()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("state", nargs="+")
    p.add_argument("--tokenizer", required=True)
    a = p.parse_args()
    torch.set_num_threads(1)
    stock, before = K.Stock(held=True), Tokenizer(a.tokenizer).before
    for path in a.state:
        model, heads = loaded(path)
        print(path.rsplit("/", 1)[-1])
        for camera in (False, True):
            rows = [slots(model, heads, stock, size, camera) for size in SIZES]
            by_size = ", ".join(f"{size} px {100 * r / n:.1f}" for size, (r, n) in zip(SIZES, rows))
            total = 100 * sum(r for r, _ in rows) / sum(n for _, n in rows)
            print(f"  slots right, {'through the camera' if camera else 'as drawn'}: {by_size}; all {total:.1f} %", flush=True)
        for grid in GRIDS:
            rows, columns = misplaced(model, heads, stock, grid, before)
            print(f"  {grid[0]} x {grid[1]} slices: rows {rows:.2f}, columns {columns:.2f} cells off", flush=True)


if __name__ == "__main__":
    main()
