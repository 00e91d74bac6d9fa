# SPDX-License-Identifier: Apache-2.0
"""The answer stage: pages to read and scenes to describe, as tokens, and the loss of the decoder on them.

Beside the tokens every answer says where to look: for each token the image vector that holds what it says. Some heads are trained to
look there, which is what makes reading learnable in minutes.
"""
import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

import entities as E
import pages as P
import qa
from . import pages as M
from . import tokens as T

LOOKING = {1: (0,), 2: (0, 1)}     # layer -> heads that are told where to look
ORDER_LAYER = 0                      # its states at the image are read by the heads for neighbours and lines
NOWHERE = -1


@dataclass
class Answer:
    task: str
    prompt: str     # follows the image block
    tokens: list    # of the answer
    places: list    # of each: index of an image vector, or NOWHERE
    text: str


@functools.lru_cache(maxsize=None)
def tokenizer():
    return T.Tokenizer()


def vocabulary_size():
    return len(tokenizer())


def image_start():
    return tokenizer().image_start


class Speech:
    """Tokens with the place each of them speaks of."""

    def __init__(self):
        self.tokens, self.places = [], []

    def say(self, text, place=NOWHERE):
        ids = tokenizer().encode(text)
        self.tokens += ids
        self.places += [place] * len(ids)
        return self

    def spell(self, line, text, cols):
        """A line of glyphs with the text's blanks; a blank looks where the next character stands."""
        glyphs = iter(line)
        places = [NOWHERE if c == " " else vector_of(next(glyphs), cols) for c in text]
        for i in reversed(range(len(places) - 1)):
            if places[i] == NOWHERE:
                places[i] = places[i + 1]
        self.tokens += tokenizer().characters(text)
        self.places += places
        return self

    def answer(self, task, prompt, text):
        return Answer(task, prompt, self.tokens, self.places, text)


def vector_of(glyph, cols):
    return M.vector_index(glyph.x, glyph.y, cols)


def anchor(item, cols):
    return M.vector_index(*item.centre, cols)


def reading(scene):
    cols, speech = scene.grid[1], Speech()
    for i, (line, text) in enumerate(zip(scene.lines, scene.texts)):
        if i:
            speech.say("\n", vector_of(line[0], cols))
        speech.spell(line, text, cols)
    return speech.answer("read", T.VQA.format(T.READ), "\n".join(scene.texts))


def noun(item, colour):
    return f"{colour} {item.text}" if colour else item.text


def article(text, capital):
    word = "an" if text[0] in "aeiou" else "a"
    return word.capitalize() if capital else word


def spelled(scene):
    """The glyphs of each text item, by its index among the items."""
    lines = iter(scene.lines)
    return {i: next(lines) for i, item in enumerate(scene.items) if item.type in P.TEXT_KINDS}


def detailed_caption(scene):
    cols, glyphs, count = scene.grid[1], spelled(scene), len(scene.items)
    first = f"There are {T.NUMBERS[count]} things in the image." if count > 1 else "There is one thing in the image."
    speech = Speech().say(first)
    parts = [first]
    for i, (item, colour) in enumerate(zip(scene.items, scene.colours)):
        at, where = anchor(item, cols), f" is at the {qa.CELLS[item.cell]}."
        if i in glyphs:
            speech.say(' The text "', at).spell(glyphs[i], item.text, cols).say('"', at).say(where, at)
            parts.append(f'The text "{item.text}"{where}')
        else:
            sentence = f"{article(noun(item, colour), True)} {noun(item, colour)}{where}"
            speech.say(" " + sentence, at)
            parts.append(sentence)
    return speech.answer("caption", T.CAPTION, " ".join(parts))


def short_caption(scene):
    """The things' names alone."""
    cols, speech, text = scene.grid[1], Speech(), ""
    for i, item in enumerate(scene.items):
        name = "text" if item.type in P.TEXT_KINDS else item.text
        link = "" if i == 0 else " and " if i == len(scene.items) - 1 else ", "
        part = f"{link}{article(name, i == 0)} {name}"
        speech.say(part, anchor(item, cols))
        text += part
    speech.say(".")
    return speech.answer("short", T.BRIEF, text + ".")


def questions(rng, scene, count):
    """About single things: where, which colour, what is at a place, what a text says, how many."""
    cols, glyphs, out = scene.grid[1], spelled(scene), []
    order = [int(i) for i in rng.permutation(len(scene.items))]
    for k in range(count):
        i = order[k % len(order)]
        item, colour = scene.items[i], scene.colours[i]
        at, cell = anchor(item, cols), qa.CELLS[item.cell]
        form = rng.random()
        if form < 0.08:
            text = T.NUMBERS[len(scene.items)]
            out.append(Speech().say(text).answer("count", T.VQA.format("How many things are in the image?"), text))
        elif i in glyphs:
            out.append(Speech().spell(glyphs[i], item.text, cols).answer(
                "text", T.VQA.format(f"What does the text at the {cell} say?"), item.text))
        elif colour and form < 0.4:
            out.append(Speech().say(colour, at).answer("colour", T.VQA.format(f"What color is the {item.text}?"), colour))
        elif form < 0.7:
            out.append(Speech().say(cell, at).answer("where", T.VQA.format(f"Where is the {item.text}?"), cell))
        else:
            text = noun(item, colour)
            out.append(Speech().say(text, at).answer("what", T.VQA.format(f"What is at the {cell}?"), text))
    return out


def pack(answers):
    """Rows of answers, one list an image -> ids, target, weight and places, each `[images, count, longest]`."""
    t = tokenizer()
    rows = []
    for image in answers:
        for a in image:
            head = t.encode(a.prompt)
            rows.append((head, a.tokens + [t.end], a.places + [NOWHERE]))
    longest = max(len(h) + len(s) for h, s, _ in rows) - 1
    x, y = np.full((len(rows), longest), t.end, np.int64), np.zeros((len(rows), longest), np.int64)
    w, at = np.zeros((len(rows), longest), np.float32), np.full((len(rows), longest), NOWHERE, np.int64)
    for r, (head, tail, places) in enumerate(rows):
        whole, first = head + tail, len(head) - 1
        x[r, :len(whole) - 1] = whole[:-1]
        y[r, first:first + len(tail)] = tail
        w[r, first:first + len(tail)] = 1
        at[r, first:first + len(tail)] = places
    shape = (len(answers), len(answers[0]), longest)
    return {"ids": x.reshape(shape), "target": y.reshape(shape), "weight": w.reshape(shape), "places": at.reshape(shape),
            "task": answers[0][0].task if len(answers[0]) == 1 else "vqa"}


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
        groups = [pack([[(short_caption if short else detailed_caption)(s)] for s in made]),
                  pack([questions(rng, s, 3) for s in made])]
    else:
        groups = [pack([[reading(s)] for s in made])]
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
        hidden, watched = model.decode(prefix, [run.tensor(g["ids"]) for g in b["groups"]], (ORDER_LAYER,),
                                       {layer: None for layer in LOOKING})
        at_image = watched[ORDER_LAYER][0][:, 1:-1].unflatten(1, labels.shape[1:3])
        extra, more = heads["seen"](at_image, labels)
        total = total + dense * extra
        seen["prev"], seen["line"] = more["previ"], more["line"]
        for i, g in enumerate(b["groups"]):
            weight, places, target = (run.tensor(g[k]) for k in ("weight", "places", "target"))
            where = weight > 0
            logits = model.lm_head(hidden[i][where]).float()
            # The first tokens decide where a text begins: all of an answer counts alike, answers by the root of their length.
            each = F.cross_entropy(logits, target[where], reduction="none")
            length = weight.sum(-1, keepdim=True).expand_as(weight)[where]
            part = (each / length.sqrt()).sum() / (1 / length.sqrt()).sum()
            total = total + part * (1.0 if i == 0 else 0.5)
            if run.step % 4 == 0:
                hit = torch.ones_like(where)
                hit[where] = logits.argmax(-1) == target[where]
                seen[g["task"] + ".token"] = hit[where].float().mean().item()
                seen[g["task"]] = hit.all(-1).float().mean().item()
            looked = places != NOWHERE
            at = (places.clamp(min=0) + 1)[:, None, ..., None]
            for layer, chosen in LOOKING.items():
                attention = watched["looks", layer][i][:, list(chosen)]
                mass = attention.gather(4, at.expand(-1, len(chosen), -1, -1, -1))[..., 0].float()
                mass = mass.transpose(0, 1)[:, looked]
                total = total - run.a.look_loss * (mass + 1e-4).log().mean()
                seen[f"look{layer}" + "'" * i] = mass.mean().item()
    return total, seen
