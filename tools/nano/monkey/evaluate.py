# SPDX-License-Identifier: Apache-2.0
"""Held-out pages and scenes of nano Monkey: character error rate, descriptions, answers. Called by `evaluate --model monkey-nano`."""

import os
import re

from . import answer as A
from . import backends, export
from . import benchmark as H

SEED = 20260103


def samples(a):
    return H.benchmark(a.pages, a.scenes, seed=a.seed or SEED)


def torch_backend(a):
    directory = a.checkpoint or os.path.join(os.path.dirname(A.T.FILE))
    model = export.load_state(a.state) if a.state else export.load(directory)
    return backends.Torch(model, A.tokenizer())


def fovea_backends(paths):
    """A converted file has one grid, which its name tells (…-2x3-int8.fovea); files that differ in that alone are one backend."""
    groups = {}
    for path in paths:
        name = os.path.basename(path)
        grid = re.search(r"(\d)x(\d)", name)
        key = name.replace(grid[0], "*") if grid else name
        groups.setdefault(key, {})[tuple(int(n) for n in grid.groups()) if grid else (2, 2)] = path
    return [backends.Fovea(files, key) for key, files in groups.items()]


score = H.score


def describe(sample):
    return f"{sample.suite} {sample.grid[0]}x{sample.grid[1]}"
