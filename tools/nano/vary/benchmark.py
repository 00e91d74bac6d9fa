# SPDX-License-Identifier: Apache-2.0
"""Held-out pages, charts, natural pictures and scenes for nano Vary, and the paper's metrics: normalised edit distance, F1, precision
and recall on pages; relaxed accuracy on charts; ANLS on questions."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from monkey import pages as M
from monkey.benchmark import edits
from PIL import Image

from . import base
from . import charts as C
from . import documents as D
from . import text as X

LONGEST = 140  # characters of a page, about


@dataclass
class Sample:
    suite: str  # "english", "chinese", "chart", "natural", "question"
    image: Image.Image
    prompt: str  # after the image block; empty in stage 1
    answer: str


def benchmark(stage, pages=60, charts=40, others=40, seed=20260104):
    """Same arguments, same samples; training draws from other seeds."""
    rng, out, asks = np.random.default_rng([seed, 9]), [], stage == "base"

    def prompt(text):
        return base.AFTER.format(text) if asks else "</img>"

    while len(out) < pages:
        page = D.document(rng, LONGEST).squashed()
        suite = "chinese" if any(c in X.CHINESE for c in page.text) else "english"
        if sum(s.suite == suite for s in out) < pages / 2:
            out.append(Sample(suite, page.image, prompt(base.OCR), page.text))
    for _ in range(charts):
        page = C.chart(rng)
        out.append(Sample("chart", page.image, prompt(base.CHART), page.text))
    for i in range(others):
        if asks:
            scene = M.scene_page(rng, 2, 2, 1 + i % 6)
            q = base.narrator().questions(rng, scene, 1)[0]
            out.append(Sample("question", scene.image, q.prompt, q.text))
        else:
            page = D.natural(rng)
            out.append(Sample("natural", page.image, prompt(""), page.text))
    return out


def units(text):
    """Words, and Chinese characters one by one."""
    out, word = Counter(), ""
    for c in text + " ":
        if c in X.CHINESE or c.isspace():
            out[word] += 1
            word = ""
            out[c] += c in X.CHINESE
        else:
            word += c
    return +Counter({k: v for k, v in out.items() if k.strip()})


def page_figures(pairs):
    distance = [edits(a, b) / max(1, len(a), len(b)) for a, b in pairs]
    precision, recall = [], []
    for wanted, said in ((units(a), units(b)) for a, b in pairs):
        hits = sum((wanted & said).values())
        precision.append(hits / max(1, sum(said.values())))
        recall.append(hits / max(1, sum(wanted.values())))
    p, r = 100 * float(np.mean(precision)), 100 * float(np.mean(recall))
    return {"edit distance": float(np.mean(distance)), "F1": 2 * p * r / max(1e-9, p + r), "precision": p, "recall": r}


def anls(a, b):
    """Normalised Levenshtein similarity, nothing below one half."""
    similarity = 1 - edits(a.lower(), b.lower()) / max(1, len(a), len(b))
    return similarity if similarity >= 0.5 else 0.0


def score(samples, answers):
    by = {}
    for s, a in zip(samples, answers):
        by.setdefault(s.suite, []).append((s.answer, a))
    languages = [suite for suite in ("english", "chinese") if suite in by]
    result = {f"{suite} pages": page_figures(by[suite]) for suite in languages}
    every = [pair for suite in languages for pair in by[suite]]
    parts = {
        "all pages": every,
        f"up to {LONGEST // 2}": [p for p in every if len(p[0]) <= LONGEST // 2],
        f"beyond {LONGEST // 2}": [p for p in every if len(p[0]) > LONGEST // 2],
    }
    result.update({name: page_figures(pairs) for name, pairs in parts.items() if pairs})
    if "chart" in by:
        result["charts"] = {"relaxed accuracy": 100 * float(np.mean([C.relaxed_accuracy(C.parsed(a), C.parsed(b)) for a, b in by["chart"]]))}
    if "natural" in by:
        result["natural"] = {"told as such": 100 * float(np.mean([b in D.NATURAL for _, b in by["natural"]]))}
    if "question" in by:
        result["questions"] = {"ANLS": 100 * float(np.mean([anls(a, b) for a, b in by["question"]]))}
    return result
