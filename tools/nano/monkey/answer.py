# SPDX-License-Identifier: Apache-2.0
"""The answer stage: pages to read and scenes to describe, as tokens, and the loss of the decoder on them."""
import functools

import numpy as np
import torch

import pages as P
import qa
import speech
from speech import Speech
from . import pages as M
from . import tokens as T

LOOKING = {1: (0,), 2: (0, 1)}  # layer -> heads that are told where to look
ORDER_LAYER = 0                 # its states at the image are read by the heads for neighbours and lines


@functools.lru_cache(maxsize=None)
def tokenizer():
    return T.Tokenizer()


def vocabulary_size():
    return len(tokenizer())


def image_start():
    return tokenizer().image_start


def places(line, cols):
    return [M.vector_index(g.x, g.y, cols) for g in line]


def anchor(item, cols):
    return M.vector_index(*item.centre, cols)


def reading(scene):
    out = Speech(tokenizer())
    for i, (line, text) in enumerate(zip(scene.lines, scene.texts)):
        where = places(line, scene.grid[1])
        if i:
            out.say("\n", where[0])
        out.spell(text, where)
    return out.answer("read", T.VQA.format(T.READ), "\n".join(scene.texts))


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
    out = Speech(tokenizer()).say(first)
    parts = [first]
    for i, (item, colour) in enumerate(zip(scene.items, scene.colours)):
        at, where = anchor(item, cols), f" is at the {qa.CELLS[item.cell]}."
        if i in glyphs:
            out.say(' The text "', at).spell(item.text, places(glyphs[i], cols)).say('"', at).say(where, at)
            parts.append(f'The text "{item.text}"{where}')
        else:
            sentence = f"{article(noun(item, colour), True)} {noun(item, colour)}{where}"
            out.say(" " + sentence, at)
            parts.append(sentence)
    return out.answer("caption", T.CAPTION, " ".join(parts))


def short_caption(scene):
    """The things' names alone."""
    out, text = Speech(tokenizer()), ""
    for i, item in enumerate(scene.items):
        name = "text" if item.type in P.TEXT_KINDS else item.text
        link = "" if i == 0 else " and " if i == len(scene.items) - 1 else ", "
        part = f"{link}{article(name, i == 0)} {name}"
        out.say(part, anchor(item, scene.grid[1]))
        text += part
    out.say(".")
    return out.answer("short", T.BRIEF, text + ".")


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
            out.append(Speech(tokenizer()).say(text).answer("count", T.VQA.format("How many things are in the image?"), text))
        elif i in glyphs:
            out.append(Speech(tokenizer()).spell(item.text, places(glyphs[i], cols)).answer(
                "text", T.VQA.format(f"What does the text at the {cell} say?"), item.text))
        elif colour and form < 0.4:
            out.append(Speech(tokenizer()).say(colour, at).answer("colour", T.VQA.format(f"What color is the {item.text}?"), colour))
        elif form < 0.7:
            out.append(Speech(tokenizer()).say(cell, at).answer("where", T.VQA.format(f"Where is the {item.text}?"), cell))
        else:
            text = noun(item, colour)
            out.append(Speech(tokenizer()).say(text, at).answer("what", T.VQA.format(f"What is at the {cell}?"), text))
    return out


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
        groups = [speech.pack(tokenizer(), [[(short_caption if short else detailed_caption)(s)] for s in made]),
                  speech.pack(tokenizer(), [questions(rng, s, 3) for s in made], "vqa")]
    else:
        groups = [speech.pack(tokenizer(), [[reading(s)] for s in made])]
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
        extra, more = speech.loss(run, b["groups"], hidden, watched, LOOKING, 1, run.a.look_loss)
    return total + extra, {**seen, **more}
