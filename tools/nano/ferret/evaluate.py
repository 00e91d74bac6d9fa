# SPDX-License-Identifier: Apache-2.0
"""Referring and grounding of nano Ferret-v2 on held-out scenes. Called by `evaluate --model ferret-nano`."""

import os

from . import backends, export
from . import benchmark as H
from . import tokens as T

SEED = 20260107


def samples(a):
    return H.benchmark(a.scenes, seed=a.seed or SEED)


def torch_backend(a):
    return backends.Torch(export.load_state(a.state) if a.state else export.load(a.checkpoint or os.path.dirname(T.FILE)))


def fovea_backends(paths):
    return [backends.Fovea(path) for path in paths]


score = H.score


def describe(sample):
    where = sample.region.form if sample.region else ""
    return f"{sample.suite} {where} {sample.size} {sample.grid[0]}x{sample.grid[1]}"
