# SPDX-License-Identifier: Apache-2.0
"""Batches, made in a background process: every batch has one slice grid, so that it is a plain tensor."""

import multiprocessing

import numpy as np
import pages as P
import slicing as S

BASE, PATCH, KERNEL, MOST = 96, 8, 2, 9
GRIDS = [(2, 2), (1, 1), (1, 2), (2, 1), (2, 3), (3, 2), (3, 3), (1, 3), (3, 1)]
GRID_SHARES = [0.58, 0.06, 0.08, 0.06, 0.06, 0.05, 0.04, 0.04, 0.03]


def pick_grid(rng):
    return GRIDS[rng.choice(len(GRIDS), p=GRID_SHARES)]


def page_size(rng, grid):
    """An image size that is cut into this grid; 2 x 2 is EntityGrid's exact size most of the time."""
    rows, cols = grid
    if grid == (2, 2) and rng.random() < 0.85:
        return 2 * BASE, 2 * BASE
    low = 0.72
    return tuple(int(BASE * (k if rng.random() < 0.3 else rng.uniform(max(low * k, k - 1 + 0.02), k))) for k in (cols, rows))


def view_arrays(page):
    pixels, grid, low, full = S.views(page.image, BASE, MOST)
    patch, token = P.labels(page.items, grid, low, full, BASE, PATCH, KERNEL)
    return pixels, patch, token


def vision_page(rng, width, height, dense):
    if rng.random() < dense:
        return P.dense_page(rng, width, height)
    count = int(rng.integers(1, 10))
    cells = rng.permutation(9)[:count]
    types = None
    if rng.random() < 0.4:
        types = ("word", "number", "string")
    placed = [P.random_entity(rng, None if types is None else types[rng.integers(3)]) + (int(c),) for c in cells]
    return P.grid_page(rng, placed, width, height)


def vision_batch(rng, views=80, dense=0.55):
    grid = pick_grid(rng)
    count = max(1, round(views / (1 + grid[0] * grid[1])))
    rows = []
    while len(rows) < count:
        width, height = page_size(rng, grid)
        arrays = view_arrays(vision_page(rng, width, height, dense))
        if len(arrays[0]) == 1 + grid[0] * grid[1]:
            rows.append(arrays)
    return {"grid": grid, "pixels": np.stack([r[0] for r in rows]), "patch": np.stack([r[1] for r in rows]), "token": np.stack([r[2] for r in rows])}


def _work(make, seed, queue, arguments):
    rng = np.random.default_rng(seed)
    while True:
        queue.put(make(rng, **arguments))


class Source:
    """Runs `make(rng, **arguments)` for ever in background processes; `next()` takes one result."""

    def __init__(self, make, seed, processes=1, **arguments):
        context = multiprocessing.get_context("fork")
        self.queue = context.Queue(maxsize=6)
        self.processes = [context.Process(target=_work, args=(make, (*seed, i), self.queue, arguments), daemon=True) for i in range(processes)]
        for p in self.processes:
            p.start()

    def next(self):
        return self.queue.get()

    def close(self):
        for p in self.processes:
            p.terminate()
