# SPDX-License-Identifier: Apache-2.0
"""HiRes-LLaVA's held-out figures: EntityGrid-QA in per cent. Called by `evaluate`."""

import os

import backends
import entitygrid as G
import export
from tokenizer import Tokenizer

SEED = 20260101
CHECKPOINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models", "hires-llava-nano", "checkpoint")


def samples(a):
    return G.benchmark(a.per_position, a.per_type, a.per_grid, a.seed or SEED)


def torch_backend(a):
    directory = a.checkpoint or CHECKPOINT
    model = export.load_state(a.state) if a.state else export.load(directory)
    return backends.Torch(model, Tokenizer(os.path.join(directory, "tokenizer.model")))


def fovea_backends(paths):
    return [backends.Fovea(path) for path in paths]


def share(rows):
    return 100 * sum(rows) / len(rows) if rows else float("nan")


def score(samples, answers):
    """All figures in per cent; positions and discrepancies on the multiple-choice suite."""
    right = [s.answer == a for s, a in zip(samples, answers)]

    def of(**want):
        return share([r for s, r in zip(samples, right) if all(getattr(s, k) == v for k, v in want.items())])

    result = {"choice": {t: of(suite="choice", task=t) for t in G.TASKS}}
    result["choice by type"] = {t: of(suite="choice", type=t) for t in G.TYPES}
    result["free identification"] = {t: of(suite="free", task="identification", type=t) for t in G.TYPES + ("string",)}
    result["free"] = {t: of(suite="free", task=t) for t in ("position", "counting")}
    by = {p: {t: of(suite="choice", task=t, position=p) for t in G.TASKS} for p in range(1, 10)}
    result["position"] = {p: sum(v.values()) / len(v) for p, v in by.items()}
    corners = sum(result["position"][p] for p in G.CORNERS) / len(G.CORNERS)
    result["discrepancy"] = {name: corners - sum(result["position"][p] for p in edge) / len(edge) for name, edge in G.EDGES.items()}
    result["reading by grid"] = {t: of(suite="reading", task=t) for t in sorted({s.task for s in samples if s.suite == "reading"})}
    result["reading by type"] = {t: of(suite="reading", type=t) for t in ("word", "number", "string")}
    return result


def describe(sample):
    return f"{sample.suite} {sample.task} {sample.type} at {sample.position}: {sample.question!r}"
