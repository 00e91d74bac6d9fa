# SPDX-License-Identifier: Apache-2.0
"""The answer stage: pages to read and scenes to describe, as tokens, and the loss of the decoder on them."""

import functools

import numpy as np
import speech
import torch

from . import pages as M
from . import tokens as T
from .narrator import Narrator

LOOKING = {1: (0,), 2: (0, 1)}  # layer -> heads that are told where to look
ORDER_LAYER = 0  # its states at the image are read by the heads for neighbours and lines


@functools.lru_cache(maxsize=None)
def tokenizer():
    return T.Tokenizer()


def vocabulary_size():
    return len(tokenizer())


def image_start():
    return tokenizer().image_start


def vector_of_tiles(scene):
    cols = scene.grid[1]
    return lambda x, y: M.vector_index(x, y, cols)


@functools.lru_cache(maxsize=None)
def narrator():
    return Narrator(tokenizer(), vector_of_tiles, T.VQA.format, T.CAPTION, T.BRIEF)


def options(a):
    return {"scenes": a.scenes, "wide": a.wide, "short": a.short_captions, "lines": a.lines, "seen": a.seen}


def batch(rng, images=10, scenes=0.35, wide=0.0, short=False, lines=9, seen=None):
    """One kind of picture and one grid in a batch, and pages of like length, so that little of it is padding.

    With seen = (rows, columns), pages are drawn for 2 x 2 tiles and stretched to that grid; (0, 0) is a page seen whole.
    """
    rows, cols = M.GRIDS[int(rng.random() < wide)]
    count = max(2, round(images * 5 / (1 + rows * cols)))
    if rng.random() < scenes:
        things = int(rng.integers(1, 7))
        made = [M.scene_page(rng, rows, cols, things) for _ in range(count)]
    else:
        most, made = int(rng.integers(1, lines + 1)), []
        while len(made) < count:
            scene = M.text_page(rng, rows, cols, most)
            if scene.lines:
                made.append(scene)
    drawn = made
    if seen:
        made = [s.resized(*(max(1, n) for n in seen)) for s in made]
    arrays = [M.arrays(s) for s in made]
    if made[0].cells:
        caption = narrator().short_caption if short else narrator().detailed_caption
        groups = [
            speech.pack(tokenizer(), [[caption(s)] for s in made]),
            speech.pack(tokenizer(), [narrator().questions(rng, s, 3) for s in made], "vqa"),
        ]
    else:
        groups = [speech.pack(tokenizer(), [[narrator().reading(s)] for s in made])]
    pixels, vector = np.stack([a[0] for a in arrays]), np.stack([a[2] for a in arrays])
    if seen == (0, 0):
        pixels, vector = np.stack([np.asarray(s.image) for s in drawn]), vector[:, :1]
    return {"grid": made[0].grid, "pixels": pixels, "vector": vector, "groups": groups}


def loss(run, b):
    """Answer tokens, where to look, and the dense labels on image vectors and on the decoder's states at them."""
    model, heads, dense, seen = run.model, run.heads, run.a.dense_loss, {}
    labels, total = run.tensor(b["vector"]), 0.0
    with run.autocast():
        with torch.set_grad_enabled(model.config["adapters"] > 0):
            patches = model.see(run.tensor(b["pixels"]), *b["grid"])
        vectors = model.sample(patches)
        extra, more = heads["vector"](vectors.transpose(0, 1), labels)
        total = total + dense * extra
        seen["cell"] = more["cell"]
        prefix = model.prefix(vectors)
        hidden, watched = model.decode(prefix, [run.tensor(g["ids"]) for g in b["groups"]], (ORDER_LAYER,), dict.fromkeys(LOOKING))
        at_image = watched[ORDER_LAYER][0][:, 1:-1].unflatten(1, labels.shape[1:3])
        extra, more = heads["seen"](at_image, labels)
        total = total + dense * extra
        seen["prev"], seen["line"] = more["previ"], more["line"]
        extra, more = speech.loss(run, b["groups"], hidden, watched, LOOKING, 1, run.a.look_loss)
    return total + extra, {**seen, **more}
