# SPDX-License-Identifier: Apache-2.0
"""EntityGrid-QA (arXiv:2407.08706 section 4): the held-out benchmark, rebuilt from the paper's description.

A canvas of 2r x 2r is cut into exactly four slices. Entities stand in cells of a 3 x 3 layout; the middle cells lie on slice
borders. Three tasks (identification, position, counting), asked in multiple-choice form or for a free answer. Every sample is
credited to the cell its (first) target stands in. `reading` adds single texts on images of many sizes.
"""

from dataclasses import dataclass

import data
import entities as E
import numpy as np
import pages as P
import qa
from PIL import Image

TASKS = ("identification", "position", "counting")
TYPES = ("word", "number", "shape", "object", "sign")
EDGES = {"{2,4,5,6,8}": (2, 4, 5, 6, 8), "{2,4,6,8}": (2, 4, 6, 8), "{5}": (5,)}
CORNERS = (1, 3, 7, 9)
SIDE = 2 * data.BASE
WHITE = (255, 255, 255)


@dataclass
class Sample:
    suite: str  # "choice", "free" or "reading"
    task: str
    type: str
    position: int  # 1..9, 0 where it has no meaning
    image: Image.Image
    question: str
    answer: str


def grid_sample(rng, suite, task, type, position):
    entity = P.random_entity(rng, type)
    others = [int(c) for c in rng.permutation([c for c in range(9) if c != position - 1])]
    placed = [(*entity, position - 1)]
    if task == "identification":
        question = qa.Question("what", qa.pick(rng, qa.WHAT), entity[1])
    elif task == "position":
        if rng.random() < 0.5:
            placed.append((*qa.other_entity(rng, entity, {entity[1]}), others[0]))
        question = qa.where(rng, entity, position - 1)
    else:
        number = int(rng.integers(1, 5))
        placed += [(*entity, c) for c in others[: number - 1]]
        if rng.random() < 0.5:
            placed.append((*qa.other_entity(rng, entity, {entity[1]}), others[number]))
        question = qa.count(rng, entity, number)
    if suite == "choice":
        question = qa.with_choices(rng, question, entity)
    page = P.grid_page(rng, placed, SIDE, SIDE, background=WHITE)
    return Sample(suite, task, type, position, page.image, question.asked(), question.answer)


def reading_sample(rng, grid, words=E.WORDS):
    size = data.page_size(rng, grid) if grid != (2, 2) else (int(rng.integers(120, 190)), int(rng.integers(120, 190)))
    page = P.text_page(rng, *size, words)
    item = page.items[0]
    question = qa.read(rng, (item.type, item.text))
    return Sample("reading", f"{grid[0]}x{grid[1]}", item.type, 0, page.image, question.text, item.text)


def benchmark(per_position=20, per_type=60, per_grid=20, seed=20260101):
    """The whole held-out set; training draws from other seeds. Same arguments, same samples."""
    rng = np.random.default_rng([seed, 7])
    out = []
    for task in TASKS:
        for position in range(1, 10):
            for i in range(per_position):
                out.append(grid_sample(rng, "choice", task, TYPES[i % len(TYPES)], position))
    for type in TYPES + ("string",):
        for i in range(per_type):
            out.append(grid_sample(rng, "free", "identification", type, 1 + i % 9))
    for task in ("position", "counting"):
        for i in range(per_type):
            out.append(grid_sample(rng, "free", task, TYPES[i % len(TYPES)], 1 + i % 9))
    for grid in data.GRIDS:
        for _ in range(per_grid):
            out.append(reading_sample(rng, grid))
    return out
