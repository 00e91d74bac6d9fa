# SPDX-License-Identifier: Apache-2.0
"""Stage 1's tokens, batches and loss: the vocabulary network and OPT learn to write down pages and charts, and to say of natural
pictures that they are that."""

import functools

import numpy as np
import speech
import torch
import torch.nn.functional as F
from heads import accuracy, weighted
from torch import nn

from . import documents as D
from . import text as X

LOOKING = {1: (0,), 2: (0, 1)}
SHARES = {"page": 0.7, "chart": 0.22, "natural": 0.08}


class Tokenizer:
    """OPT's ids: four specials, 256 bytes, the Chinese pieces, then <imgpad>, <img>, </img>. One token a character."""

    end = 2

    def __init__(self):
        pieces = [bytes([b]) for b in range(256)] + X.chinese_pieces()
        self.ids = {p: 4 + i for i, p in enumerate(pieces)}
        self.pieces = [b""] * 4 + pieces
        self.image_start = len(self.pieces) + 1
        self.vocab_size = -(-(len(self.pieces) + 3) // 16) * 16

    def characters(self, text):
        out = []
        for c in text:
            raw = c.encode()
            out += [self.ids[raw]] if raw in self.ids else [self.ids[bytes([b])] for b in raw]
        return out

    def encode(self, text):
        """`</img>` is the only special token a text may hold."""
        parts = text.split("</img>")
        out = self.characters(parts[0])
        for part in parts[1:]:
            out += [self.image_start + 1] + self.characters(part)
        return out

    def decode(self, ids):
        return b"".join(self.pieces[i] for i in ids if i < len(self.pieces)).decode(errors="replace")


@functools.lru_cache(maxsize=None)
def tokenizer():
    return Tokenizer()


@functools.lru_cache(maxsize=None)
def store(path):
    from .charts import Store

    return Store(path)


def answer(page, tokens, prompt):
    out = speech.Speech(tokens)
    places = [s and D.token_of(s) for s in page.spots]
    for i in reversed(range(len(places) - 1)):  # blanks and line ends look where the next character stands
        if places[i] is None:
            places[i] = places[i + 1]
    for c, place in zip(page.text, places):
        out.add(tokens.characters(c), speech.NOWHERE if place is None else place)
    return out.answer(page.kind, prompt, page.text)


def make(rng, kind, charts, longest):
    if kind == "chart":
        return store(charts).pick(rng)
    return (D.document(rng, longest) if kind == "page" else D.natural(rng)).squashed()


STOCK = []  # batches of pages made ahead


def alike(rng, kind, count, charts, longest):
    """So many of one kind; pages of like length, so that a batch of them is padded little."""
    if kind != "page":
        return [make(rng, kind, charts, longest) for _ in range(count)]
    if not STOCK:
        made = sorted((make(rng, kind, charts, longest) for _ in range(6 * count)), key=lambda m: len(m.text))
        STOCK.extend(made[count * int(i) :][:count] for i in rng.permutation(6))
    return STOCK.pop()


def batch(rng, images=10, charts=None, shares=SHARES, longest=220):
    kinds = [k for k in shares if k != "chart" or charts]
    p = np.array([shares[k] for k in kinds])
    kind = kinds[rng.choice(len(kinds), p=p / p.sum())]
    made = alike(rng, kind, images, charts, longest)
    return {
        "pixels": np.stack([np.asarray(m.image) for m in made]),
        **dense(made),
        "groups": [speech.pack(tokenizer(), [[answer(m, tokenizer(), "</img>")] for m in made])],
    }


LABELS = ("patch", "cells", "starts", "before", "line")


def dense(made):
    """Dense labels of a batch."""
    return dict(zip(LABELS, (np.stack(l) for l in zip(*(D.labels(m) for m in made)))))


class Heads(nn.Module):
    """Dense labels. Of image vectors: the characters in their cells and which of those start a word; and of patches: their character.
    Or (order=True) of the decoder's states at image vectors, where what stands before and the number of the line can be known too."""

    def __init__(self, width, hidden, order=False):
        super().__init__()
        self.count, self.classes = D.CELLS_OF * D.SLOTS, X.NO_CHARACTER + 1
        self.cells, self.starts = nn.Linear(hidden, self.count * self.classes), nn.Linear(hidden, self.count)
        if order:
            self.before, self.line = nn.Linear(hidden, D.ROWS_OF * self.classes), nn.Linear(hidden, D.ROWS_OF * (D.NO_LINE + 1))
        else:
            self.patch = nn.Linear(width, self.classes)
        self.order = order

    def forward(self, patches, vectors, b):
        cells, lines = b["cells"] != X.NO_CHARACTER, b["line"] != D.NO_LINE
        parts = [("cells", self.cells(vectors).unflatten(-1, (self.count, -1)), cells, 1.0)]
        if self.order:
            parts += [
                ("before", self.before(vectors).unflatten(-1, (D.ROWS_OF, -1)), lines, 0.5),
                ("line", self.line(vectors).unflatten(-1, (D.ROWS_OF, -1)), lines, 0.3),
            ]
        else:
            parts.append(("patch", self.patch(patches), b["patch"] != X.NO_CHARACTER, 1.0))
        loss, seen = 0.0, {}
        for name, logits, full, share in parts:
            target = b[name].long()
            loss = loss + share * weighted(logits, target, torch.where(full, 1.0, 0.15))
            seen[name] = accuracy(logits, target, full)
        if cells.any():
            loss = loss + 0.3 * F.binary_cross_entropy_with_logits(self.starts(vectors).float()[cells], b["starts"].float()[cells])
        return loss, seen


def loss(run, b):
    model, seen = run.model, {}
    with run.autocast():
        patches = model.see(run.tensor(b["pixels"]))
        vectors = model.sample(patches)
        total = 0.0
        extra, seen = run.heads["characters"](patches, vectors, {k: run.tensor(b[k]) for k in LABELS})
        total = run.a.dense_loss * extra
        if run.a.dense_only:
            return total + 0.0 * vectors.float().sum(), seen
        hidden, watched = model.decode(model.prefix(vectors), [run.tensor(g["ids"]) for g in b["groups"]], (), dict.fromkeys(LOOKING))
        extra, more = speech.loss(run, b["groups"], hidden, watched, LOOKING, model.first, run.a.look_loss)
    return total + extra, {**seen, **more}
