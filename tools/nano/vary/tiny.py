# SPDX-License-Identifier: Apache-2.0
"""Stage 1's tokens, batches and loss: the vocabulary network and OPT learn to write down pages and charts, and to say of natural
pictures that they are that."""
import functools

import numpy as np
import torch
from torch import nn

import speech
from heads import accuracy, weighted
from . import documents as D
from . import text as X

LOOKING = {1: (0,), 2: (0, 1)}
SHARES = {"page": 0.65, "chart": 0.2, "natural": 0.15}


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


def make(rng, kind, charts):
    if kind == "chart":
        return store(charts).pick(rng)
    return (D.document(rng) if kind == "page" else D.natural(rng)).squashed()


def alike(rng, kind, count, charts, longest):
    """So many of one kind; pages of like length, so that a batch of them is padded little."""
    made = []
    while len(made) < (3 * count if kind == "page" else count):
        page = make(rng, kind, charts)
        if len(page.text) <= longest:
            made.append(page)
    made.sort(key=lambda m: len(m.text))
    start = int(rng.integers(len(made) - count + 1))
    return made[start:start + count]


def batch(rng, images=10, charts=None, shares=SHARES, longest=420):
    kinds = [k for k in shares if k != "chart" or charts]
    p = np.array([shares[k] for k in kinds])
    kind = kinds[rng.choice(len(kinds), p=p / p.sum())]
    made = alike(rng, kind, images, charts, longest)
    labels = [D.labels(m) for m in made]
    return {"pixels": np.stack([np.asarray(m.image) for m in made]), "patch": np.stack([l[0] for l in labels]),
            "cells": np.stack([l[1] for l in labels]), "labelled": kind != "chart",
            "groups": [speech.pack(tokenizer(), [[answer(m, tokenizer(), "</img>")] for m in made])]}


class Heads(nn.Module):
    """Characters at patches and in the cells of image vectors."""

    def __init__(self, width, hidden):
        super().__init__()
        self.count = (D.TOKEN // D.CELL) ** 2 * D.SLOTS
        self.patch = nn.Linear(width, X.NO_CHARACTER + 1)
        self.cells = nn.Linear(hidden, self.count * (X.NO_CHARACTER + 1))

    def forward(self, patches, vectors, patch, cells):
        loss, seen = 0.0, {}
        for name, logits, target in (("patch", self.patch(patches), patch.long()),
                                     ("cells", self.cells(vectors).unflatten(-1, (self.count, -1)), cells.long())):
            full = target != X.NO_CHARACTER
            loss = loss + weighted(logits, target, torch.where(full, 1.0, 0.15))
            seen[name] = accuracy(logits, target, full)
        return loss, seen


def loss(run, b):
    model, seen = run.model, {}
    with run.autocast():
        patches = model.see(run.tensor(b["pixels"]))
        vectors = model.sample(patches)
        total = 0.0
        if b["labelled"]:
            extra, seen = run.heads["characters"](patches, vectors, run.tensor(b["patch"]), run.tensor(b["cells"]))
            total = run.a.dense_loss * extra
        if run.a.dense_only:
            return total + 0.0 * vectors.float().sum(), seen
        hidden, watched = model.decode(model.prefix(vectors), [run.tensor(g["ids"]) for g in b["groups"]], (),
                                       {layer: None for layer in LOOKING})
        extra, more = speech.loss(run, b["groups"], hidden, watched, LOOKING, model.first, run.a.look_loss)
    return total + extra, {**seen, **more}
