# SPDX-License-Identifier: Apache-2.0
"""Held-out pages and scenes, and their figures: character error rate of reading, and what descriptions and answers get right."""

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from . import answer as A
from . import pages as M


@dataclass
class Sample:
    suite: str  # "read", "caption" or the task of a question
    grid: tuple
    image: Image.Image
    prompt: str  # follows the image block
    answer: str
    lines: int = 0
    cut: tuple = ()  # for each line of a page, whether it lies across a border between rows of tiles


def benchmark(pages=60, scenes=40, grids=M.GRIDS, seen=None, seed=20260103):
    """Same arguments, same samples; training draws from other seeds. Pages have 1 to 9 lines in turn. `seen` as in `answer.batch`."""
    rng = np.random.default_rng([seed, 3])
    out = []
    for grid in grids:
        made = 0
        while made < pages:
            scene = M.text_page(rng, *grid, 1 + made % 9)
            if scene.lines:
                a = A.narrator().reading(scene)
                out.append(Sample("read", *view(scene, seen), a.prompt, a.text, len(scene.lines), cut_lines(scene)))
                made += 1
        for i in range(scenes):
            scene = M.scene_page(rng, *grid, 1 + i % 6)
            a = A.narrator().detailed_caption(scene)
            out.append(Sample("caption", *view(scene, seen), a.prompt, a.text))
            for q in A.narrator().questions(rng, scene, 2):
                out.append(Sample(q.task, *view(scene, seen), q.prompt, q.text))
    return out


def view(scene, seen):
    """Grid and image."""
    if seen and seen != (0, 0):
        scene = scene.resized(*seen)
    return scene.grid, scene.image


def cut_lines(scene):
    """A line is cut where a border between rows of tiles runs through its capitals, not along their edge."""
    boxes = {item.centre[1]: item.box for item in scene.items}
    return tuple(
        any(boxes[line[0].y][1] + 1 < b < boxes[line[0].y][3] - 1 for b in range(M.TILE, scene.image.size[1], M.TILE)) for line in scene.lines
    )


def edits(a, b):
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


SENTENCE = re.compile(r'(?:An?|The) (text "[^"]*"|[a-z ]+?) is at the ([a-z ]+)\.')


def facts(caption):
    """(thing with its colour, place) of every sentence of a detailed description."""
    return {(thing, place) for thing, place in SENTENCE.findall(caption)}


def rate(rows):
    wrong, length = (sum(r[k] for r in rows) for k in (0, 1))
    return 100 * wrong / length if length else float("nan")


def score(samples, answers):
    """Figures in per cent; error rates are edits over characters of all texts together."""
    result = {"character error rate": {}, "descriptions": {}, "answers right": {}}
    reads = [(s, (edits(s.answer, a), len(s.answer))) for s, a in zip(samples, answers) if s.suite == "read"]
    cer = result["character error rate"]
    cer["all"] = rate([e for _, e in reads])
    for grid in sorted({s.grid for s, _ in reads}):
        cer["%dx%d" % grid] = rate([e for s, e in reads if s.grid == grid])
    for low, high in ((1, 3), (4, 6), (7, 9)):
        cer[f"{low}-{high} lines"] = rate([e for s, e in reads if low <= s.lines <= high])
    by_line = {True: [], False: []}
    for s, a in ((s, a) for s, a in zip(samples, answers) if s.suite == "read"):
        said, wanted = a.split("\n"), s.answer.split("\n")
        if len(said) == len(wanted):  # only then is it known which line is which
            for x, y, cut in zip(wanted, said, s.cut):
                by_line[cut].append((edits(x, y), len(x)))
    cer["cut lines"], cer["whole lines"] = rate(by_line[True]), rate(by_line[False])
    cer["pages without error"] = 100 * float(np.mean([e[0] == 0 for _, e in reads])) if reads else float("nan")
    found = [(facts(s.answer), facts(a)) for s, a in zip(samples, answers) if s.suite == "caption"]
    if found:
        hits, wanted, said = (sum(f(w, g) for w, g in found) for f in (lambda w, g: len(w & g), lambda w, g: len(w), lambda w, g: len(g)))
        result["descriptions"] = {
            "facts recalled": 100 * hits / wanted,
            "facts right": 100 * hits / max(1, said),
            "exact": 100 * float(np.mean([w == g for w, g in found])),
        }
    for task in ("where", "colour", "what", "text", "count"):
        right = [s.answer == a for s, a in zip(samples, answers) if s.suite == task]
        if right:
            result["answers right"][task] = 100 * float(np.mean(right))
    return result
