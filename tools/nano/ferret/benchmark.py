# SPDX-License-Identifier: Apache-2.0
"""Held-out scenes: what is in a region, where something is, everything that is there; and the figures."""

import re
from dataclasses import dataclass

import numpy as np

from . import regions as R
from . import scenes as S
from . import talk
from .train import overlap

SIZES = ("small", "medium", "large")
DETECTED = 3  # one scene in so many is asked for everything


@dataclass
class Sample:
    suite: str  # refer, ground, detect
    scene: S.Scene
    question: str  # <region> stands for the region
    answer: str
    region: R.Region = None
    size: str = ""
    box: tuple = ()  # of the thing asked for

    @property
    def image(self):
        return self.scene.image

    @property
    def grid(self):
        return self.scene.grid


def size_class(scene, thing):
    span = scene.span(thing)
    return SIZES[0 if span < S.SMALL else 1 if span < S.LARGE else 2]


def benchmark(scenes=48, seed=20260107):
    """For each grid so many scenes; of each, a point, a box and a free form on things of it, two things to be found, and of every third
    everything. Same arguments, same samples; training draws from other seeds."""
    rng = np.random.default_rng([seed, 5])
    out = []
    for grid in S.GRIDS:
        for k in range(scenes):
            s = S.scene(rng, grid)
            for form, i in zip(R.FORMS, talk.some(rng, s, 3)):
                t = talk.refer(rng, s, i, form)
                out.append(Sample("refer", s, t.text, t.answer, t.region, size_class(s, s.things[i]), s.things[i].box))
            for i in talk.some(rng, s, min(2, len(s.things))):
                t = talk.ground(rng, s, i)
                out.append(Sample("ground", s, t.text, t.answer, None, size_class(s, s.things[i]), s.things[i].box))
            if k % DETECTED == 0:
                t = talk.detect(s)
                out.append(Sample("detect", s, t.text, t.answer))
    return out


PLACE = re.compile(r"([a-z ]*?)\s*\[(\d+), ?(\d+), ?(\d+), ?(\d+)\]")


def places(answer, size):
    """(name, box in image pixels) of every place an answer names."""
    scale = [n / 1000 for n in (*size, *size)]
    return [(m[1].strip(), [int(v) * s for v, s in zip(m.groups()[1:], scale)]) for m in PLACE.finditer(answer)]


def iou(a, b):
    import torch

    return float(overlap(torch.tensor(a, dtype=torch.float32), torch.tensor(b, dtype=torch.float32)))


def found(sample, answer):
    """The IoU of the first place that the answer names with the thing asked for; none: 0."""
    named = places(answer, sample.scene.size)
    return iou(named[0][1], sample.box) if named else 0.0


def detected(sample, answer):
    """(things found, by name and IoU 0.5; places named; things there)."""
    named, hits = places(answer, sample.scene.size), 0
    for t in sample.scene.things:
        hits += any(n == t.name and iou(b, t.box) >= 0.5 for n, b in named)
    return hits, len(named), len(sample.scene.things)


def share(values):
    return 100 * float(np.mean(values)) if len(values) else float("nan")


def score(samples, answers):
    """Figures in per cent."""
    refer = [(s, s.answer == a) for s, a in zip(samples, answers) if s.suite == "refer"]
    ground = [(s, found(s, a)) for s, a in zip(samples, answers) if s.suite == "ground"]
    detect = [detected(s, a) for s, a in zip(samples, answers) if s.suite == "detect"]
    result = {"referring": {"all": share([r for _, r in refer])}, "referring by size": {}, "grounding IoU 0.5": {}, "detection": {}}
    for form in R.FORMS:
        result["referring"][form] = share([r for s, r in refer if s.region.form == form])
    result["referring"]["random guess"] = 100 / len(S.CLASSES)
    result["grounding IoU 0.5"]["all"] = share([i >= 0.5 for _, i in ground])
    for size in SIZES:
        result["referring by size"][size] = share([r for s, r in refer if s.size == size])
        result["grounding IoU 0.5"][size] = share([i >= 0.5 for s, i in ground if s.size == size])
    result["grounding IoU 0.5"]["IoU 0.75"] = share([i >= 0.75 for _, i in ground])
    result["grounding IoU 0.5"]["mean IoU"] = share([i for _, i in ground])
    result["grounding by grid"] = {"%dx%d" % g: share([i >= 0.5 for s, i in ground if s.grid == g]) for g in S.GRIDS}
    result["referring by grid"] = {"%dx%d" % g: share([r for s, r in refer if s.grid == g]) for g in S.GRIDS}
    if detect:
        hits, named, there = (sum(d[k] for d in detect) for k in range(3))
        result["detection"] = {"things found": 100 * hits / there, "places right": 100 * hits / max(1, named)}
    return result
