# SPDX-License-Identifier: Apache-2.0
"""Stage 2's tokens, batches and loss: CLIP and the vocabulary network, both frozen, give half of each image vector; a Qwen decoder
writes down pages and charts, describes scenes and answers questions on them."""

import functools
import random

import numpy as np
import speech
import torch
from monkey import pages as M
from monkey import tokens as T
from monkey.narrator import Narrator
from PIL import Image

from . import documents as D
from . import text as X
from . import tiny
from .model import CLIP

LOOKING = {1: (0,), 2: (0, 1)}
ORDER_LAYER = 0  # its states at the image are asked for characters, neighbours and lines
SHARES = {"page": 0.5, "chart": 0.2, "scene": 0.3}
SYSTEM = "You should follow the instructions carefully and explain your answers in detail."
USER = "<|im_start|>user\n"
BEFORE = f"<|im_start|>system\n{SYSTEM}<|im_end|>{USER}<img>"
AFTER = "</img>\n{}<|im_end|><|im_start|>assistant\n"
OCR, CHART = "Provide the ocr results of this image.", "Convert this chart to python-dict"
DESCRIBE, BRIEF = "Describe the image in detail.", "Describe the image briefly."


class Tokenizer(T.Tokenizer):
    """Qwen's layout with the Chinese pieces; special tokens in a text are recognised, answers end with <|im_end|>."""

    def __init__(self):
        words = T.words([OCR, CHART, DESCRIBE, BRIEF, SYSTEM, "system user assistant"])
        super().__init__(own=[bytes([b]) for b in T.byte_order()] + X.chinese_pieces() + [w.encode() for w in words])
        self.end = self.special["<|im_end|>"]

    def encode(self, text):
        return self.encoding.encode(text, allowed_special="all")

    def characters(self, text):
        return [t for c in text for t in self.encoding.encode_ordinary(c)]


@functools.lru_cache(maxsize=None)
def tokenizer():
    return Tokenizer()


@functools.lru_cache(maxsize=None)
def before():
    return tokenizer().encode(BEFORE)


def vector_of_page(scene):
    sx, sy = D.SIDE / scene.image.size[0], D.SIDE / scene.image.size[1]
    return lambda x, y: D.token_of((x * sx, y * sy))


@functools.lru_cache(maxsize=None)
def narrator():
    return Narrator(tokenizer(), vector_of_page, AFTER.format, AFTER.format(DESCRIBE), AFTER.format(BRIEF))


def views(image):
    """The page as the vocabulary network sees it and as CLIP does."""
    page = image.resize((D.SIDE, D.SIDE), Image.BICUBIC)
    return np.asarray(page), np.asarray(image.resize((CLIP["image_size"],) * 2, Image.BICUBIC))


def batch(rng, images=10, charts=None, shares=SHARES, longest=220):
    kinds = [k for k in shares if k != "chart" or charts]
    p = np.array([shares[k] for k in kinds])
    kind = kinds[rng.choice(len(kinds), p=p / p.sum())]
    if kind == "scene":
        things = int(rng.integers(1, 7))
        made = [M.scene_page(rng, 2, 2, things) for _ in range(images)]
        groups = [
            speech.pack(tokenizer(), [[narrator().detailed_caption(s)] for s in made]),
            speech.pack(tokenizer(), [narrator().questions(rng, s, 3) for s in made], "vqa"),
        ]
    else:
        made = tiny.alike(rng, kind, images, charts, longest)
        prompt = AFTER.format(CHART if kind == "chart" else OCR)
        groups = [speech.pack(tokenizer(), [[tiny.answer(m, tokenizer(), prompt)] for m in made])]
    seen = [views(m.image) for m in made]
    return {
        "pixels": np.stack([s[0] for s in seen]),
        "small": np.stack([s[1] for s in seen]),
        "groups": groups,
        **({} if kind == "scene" else tiny.dense(made)),
    }


class Replay:
    """Both networks are frozen, so what they see in a batch need not be computed again: each batch is used `times` times, the further
    times at random among those of a while. (With many more uses than two the decoder learns the batches by heart.)"""

    def __init__(self, source, times, window=30):
        self.source, self.times, self.window, self.kept, self.turn = source, times, window, [], 0

    def next(self):
        self.turn += 1
        if self.times == 1:
            return self.source.next()
        if len(self.kept) >= self.window and self.turn % self.times:
            i = random.randrange(len(self.kept))
            batch, left = self.kept[i]
            self.kept[i] = (batch, left - 1)
            if left == 1:
                self.kept[i] = self.kept[-1]
                self.kept.pop()
            return batch
        batch = self.source.next()
        self.kept.append((batch, self.times - 1))
        return batch

    def close(self):
        self.source.close()


def loss(run, b):
    model = run.model
    with run.autocast():
        if "features" not in b:
            with torch.no_grad():
                b["features"] = [f.bfloat16() for f in model.see(run.tensor(b["pixels"]), run.tensor(b["small"]))]
            b["pixels"] = b["pixels"][:, 0, 0]
        vectors, first, total, seen = model.sample(b["features"], run.a.without), len(before()), 0.0, {}
        hidden, watched = model.decode(
            model.prefix(vectors, before()), [run.tensor(g["ids"]) for g in b["groups"]], (ORDER_LAYER,), dict.fromkeys(LOOKING)
        )
        if "cells" in b:
            at_image = watched[ORDER_LAYER][0][:, first:]
            extra, seen = run.heads["seen"](None, at_image, {k: run.tensor(b[k]) for k in tiny.LABELS})
            total = run.a.dense_loss * extra
        extra, more = speech.loss(run, b["groups"], hidden, watched, LOOKING, first, run.a.look_loss)
    return total + extra, {**seen, **more}
