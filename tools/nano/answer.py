# SPDX-License-Identifier: Apache-2.0
"""The answer stage: scenes with questions, their tokens, and the loss of the decoder on them."""

import functools
import os

import data
import numpy as np
import pages as P
import qa
import torch
import torch.nn.functional as F
from heads import accuracy, weighted
from tokenizer import Tokenizer

TOKENIZER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models", "hires-llava-nano", "checkpoint", "tokenizer.model")
FREE, CHOICE = 4, 2  # questions per image
SEEN_LAYER, ORDINAL_LAYER, CELLS_LAYER, MATCH_LAYER = 1, 2, 2, 3
LOOKING_HEADS = [2, 5]
IGNORE = 255


@functools.lru_cache(maxsize=None)
def tokens():
    return Tokenizer(TOKENIZER)


def vocabulary():
    return len(tokens())


@functools.lru_cache(maxsize=None)
def around_image():
    """Ids before the image block (with <s>) and after it, up to and including the newline."""
    return [Tokenizer.BOS] + tokens().encode("USER: "), tokens().encode("\n")


def ids(question):
    """Question, answer and </s> after the shared prefix; the index of the first answer token."""
    after = around_image()[1]
    head = tokens().encode("\n" + question + " ASSISTANT:")
    assert head[: len(after)] == after
    return head[len(after) :]


def answer_ids(answer):
    """Ids of the text that follows "ASSISTANT:" (it begins with a space) and </s>."""
    return tokens().encode(answer) + [Tokenizer.EOS]


def scene(rng, mix, width, height):
    """A page and its questions: (free, choice) lists of FREE and CHOICE questions."""

    def draw():
        type = ("word", "number", "string", "shape", "object", "sign")[rng.choice(6, p=(0.27, 0.2, 0.08, 0.18, 0.18, 0.09))]
        return P.random_entity(rng, type)

    grid = (width, height) == (2 * data.BASE, 2 * data.BASE)
    kind = ("single", "pair", "count", "crowd")[rng.choice(4, p=MIXES[mix])]
    if not grid and rng.random() < 0.6:
        kind = "text"
    if kind == "text":
        page = P.text_page(rng, width, height)
        e = (page.items[0].type, page.items[0].text)
        free = [qa.read(rng, e), qa.what(rng, e), qa.exists(rng, e, True), qa.exists(rng, other(rng, e), False)]
        choice = [choices(rng, qa.what(rng, e), e) for _ in range(CHOICE)]
        return page, free, choice
    cells = [int(c) for c in rng.permutation(9)]
    if kind == "single":
        e = P.random_entity(rng)
        page = P.grid_page(rng, [(*e, cells[0])], width, height)
        free = [
            qa.what(rng, e),
            qa.where(rng, e, cells[0]),
            question_exists(rng, [(*e, cells[0])]),
            qa.what(rng, e) if rng.random() < 0.85 else qa.count(rng, e, 1, (cells[0],)),
        ]
        choice = [
            choices(rng, qa.what(rng, e), e),
            choices(rng, qa.where(rng, e, cells[0]), e),
            choices(rng, qa.what(rng, e), e) if rng.random() < 0.8 else choices(rng, qa.count(rng, e, 1, (cells[0],)), e),
        ]
        return page, free, choice[:CHOICE]
    if kind == "count":
        a = draw()
        number = int(rng.choice(4, p=(0.22, 0.26, 0.26, 0.26))) + 1
        placed = [(*a, c) for c in cells[:number]]
        mine = tuple(cells[:number])
        b, more, others = None, 0, ()
        if rng.random() < 0.7:
            b = qa.other_entity(rng, a, {a[1]})
            more = int(rng.integers(1, 4))
            others = tuple(cells[number : number + more])
            placed += [(*b, c) for c in others]
        page = P.grid_page(rng, placed, width, height)
        free = [
            qa.count(rng, a, number, mine),
            qa.count(rng, b, more, others) if b else qa.count(rng, a, number, mine),
            question_exists(rng, placed),
            qa.at(rng, a, cells[int(rng.integers(number))]),
        ]
        choice = [
            choices(rng, qa.count(rng, a, number, mine), a),
            choices(rng, qa.count(rng, b, more, others), b)
            if b
            else choices(rng, qa.what(rng, a) if rng.random() < 0.4 else qa.count(rng, a, number, mine), a),
            choices(rng, qa.which(rng, a), a, {a[1], b[1]} if b else {a[1]}),
        ]
        return page, free, choice[:CHOICE]
    many = 2 if kind == "pair" else int(rng.integers(3, 6))
    present, placed = set(), []
    for c in cells[:many]:
        e = draw() if not placed else qa.other_entity(rng, placed[-1][:2], present)
        present.add(e[1])
        placed.append((*e, c))
    page = P.grid_page(rng, placed, width, height)
    a, b = placed[0], placed[1]
    free = [
        qa.where(rng, a, a[2]),
        qa.at(rng, b, b[2]),
        question_exists(rng, placed),
        qa.relative(rng, a, b, a[2], b[2]) if kind == "pair" and rng.random() < 0.5 else qa.where(rng, b, b[2]),
    ]
    third = choices(rng, qa.at(rng, a, a[2]), a, present) if rng.random() < 0.4 else choices(rng, qa.which(rng, a), a, present)
    second = choices(rng, qa.relative(rng, a, b, a[2], b[2])) if rng.random() < 0.3 else choices(rng, qa.where(rng, b, b[2]), b)
    choice = [choices(rng, qa.where(rng, a, a[2]), a), second, third]
    return page, free, choice[:CHOICE]


MIXES = {"full": (0.36, 0.2, 0.34, 0.1), "counting": (0.2, 0.15, 0.58, 0.07), "reading": (0.85, 0.05, 0.05, 0.05)}


def other(rng, entity):
    return qa.other_entity(rng, entity, {entity[1]})


def choices(rng, question, entity=None, present=()):
    return qa.with_choices(rng, question, entity, present, near=0.15)


def question_exists(rng, placed):
    there = rng.random() < 0.5
    e = placed[int(rng.integers(len(placed)))]
    if there:
        return qa.exists(rng, e, True, tuple(p[2] for p in placed if p[1] == e[1]))
    present = {p[1] for p in placed}
    if e[0] in ("number", "string") and rng.random() < 0.3:
        return qa.exists(rng, qa.near_miss(rng, e, present), False)
    return qa.exists(rng, qa.other_entity(rng, e, present), False)


def pack(rng, questions):
    """Rows of questions -> ids, targets, weights, match labels, each `[images, count, longest]`, and task names."""
    rows = []
    newline = around_image()[1][-1]
    for image in questions:
        for q in image:
            head, tail = ids(q.asked(rng)), answer_ids(q.answer)
            match, stop = [], len(head) - 1
            if q.choices:
                # The newline (or the template's first token) after an option says whether this option is the right one.
                lines = [i for i, t in enumerate(head) if t == newline]
                stop, ends = lines[0], lines[1:5]
                if len(ends) < 4:
                    ends.append(len(head) - 1)
                match = [(i, int(qa.LETTERS.index(q.answer) == k)) for k, i in enumerate(ends)]
            named = stop
            if q.cells is not None:  # the last token of the entity's name
                end = q.text.index(q.entity) + len(q.entity)
                start = tokens().encode("\n" + q.text[:end])[len(around_image()[1]) :]
                if head[: len(start)] == start:
                    named = len(start) - 1
            cells = np.full(9, IGNORE) if q.cells is None else np.isin(np.arange(9), q.cells)
            rows.append((head, tail, match, q.task + ("*" if q.choices else ""), stop, named, cells))
    longest = max(len(h) + len(t) for h, t, *_ in rows) - 1
    size = (len(rows), longest)
    x, y = np.full(size, Tokenizer.EOS, np.int64), np.zeros(size, np.int64)
    w, m = np.zeros(size, np.float32), np.full(size, IGNORE, np.uint8)
    for r, (head, tail, match, task, *_) in enumerate(rows):
        whole = head + tail
        x[r, : len(whole) - 1] = whole[:-1]
        first = len(head) - 1
        y[r, first : first + len(tail)] = tail
        w[r, first : first + len(tail)] = 1
        w[r, first + len(tail) - 1] = 0.3
        if task.endswith("*"):
            w[r, first], w[r, first + 1] = 0.2, 2.0
        for i, label in match:
            m[r, i] = label
    shape = (len(questions), len(questions[0]), longest)
    return {
        "ids": x.reshape(shape),
        "target": y.reshape(shape),
        "weight": w.reshape(shape),
        "match": m.reshape(shape),
        "stop": np.array([r[4] for r in rows], np.int64).reshape(shape[:2]),
        "named": np.array([r[5] for r in rows], np.int64).reshape(shape[:2]),
        "cells": np.array([r[6] for r in rows], np.uint8).reshape(*shape[:2], 9),
        "tasks": np.array([r[3] for r in rows]).reshape(shape[:2]),
    }


def batch(rng, images=32, mix="full"):
    grid = (2, 2) if rng.random() < 0.75 else data.pick_grid(rng)
    count = max(4, round(images * 5 / (1 + grid[0] * grid[1])))
    count = min(count, images * 3 // 2)
    arrays, free, choice = [], [], []
    while len(arrays) < count:
        width, height = data.page_size(rng, grid) if grid != (2, 2) or rng.random() < 0.1 else (192, 192)
        page, f, c = scene(rng, mix, width, height)
        made = data.view_arrays(page)
        if len(made[0]) != 1 + grid[0] * grid[1]:
            continue
        arrays.append(made)
        free.append(f)
        choice.append(c)
    return {
        "grid": grid,
        "pixels": np.stack([a[0] for a in arrays]),
        "patch": np.stack([a[1] for a in arrays]),
        "token": np.stack([a[2] for a in arrays]),
        "groups": [pack(rng, free), pack(rng, choice)],
    }


def loss(run, b):
    """Answer loss, plus the dense labels on patches (only when the tower learns), sampler tokens and decoder states."""
    model, heads, grid, dense = run.model, run.heads, b["grid"], run.a.dense_loss
    pixels, groups, seen = run.tensor(b["pixels"]), b["groups"], {}
    token_labels = run.tensor(b["token"])
    with run.autocast():
        total = 0.0
        if run.a.freeze_vision:
            with torch.no_grad():
                patches = model.see(pixels, *grid)
        else:
            patches = model.see(pixels, *grid)
            extra, _ = heads["patch"](patches, run.tensor(b["patch"]))
            total = total + dense * extra
        tokens_seen = model.sample(patches)
        extra, more = heads["token"](tokens_seen, token_labels)
        seen["tok.c0"] = more["c0"]
        total = total + dense * extra
        before, after = around_image()
        prefix, starts = model.prefix(tokens_seen, *grid, before, after)
        hidden, watched = model.decode(
            prefix,
            [run.tensor(g["ids"]) for g in groups],
            (SEEN_LAYER, ORDINAL_LAYER, MATCH_LAYER),
            {CELLS_LAYER: [run.tensor(g["named"]) for g in groups]},
        )
        t = tokens_seen.shape[2]

        def at_image(layer):
            return torch.stack([watched[layer][0][:, s : s + t] for s in starts], 1)

        extra, more = heads["seen"](at_image(SEEN_LAYER), token_labels)
        seen.update({"dec." + k: more[k] for k in ("c0", "identT", "cellT")})
        total = total + dense * extra
        # The how-manieth of its kind an entity is, in sequence order: the mean over all of a kind tells their number.
        ordinal = token_labels[..., P.TOKEN_ORDINAL].long()
        logits = heads["ordinal"](at_image(ORDINAL_LAYER))
        where = ordinal > 0
        weight = torch.where(ordinal > 1, 1.5, torch.where(where, 0.7, 0.02))
        weight[:, 0] *= 0.5
        total = total + 0.2 * weighted(logits, ordinal, weight)
        seen["ord"] = accuracy(logits[:, 1:], ordinal[:, 1:], where[:, 1:])
        seen["ord2+"] = accuracy(logits[:, 1:], ordinal[:, 1:], ordinal[:, 1:] > 1)
        cell_of = torch.zeros(*prefix.shape[:2], 9, device=prefix.device)
        for v, s in enumerate(starts):
            cell_of[:, s : s + t] = F.one_hot(token_labels[:, v, :, P.TOKEN_CELL].long(), 10)[..., :9].float()
        for i, g in enumerate(groups):
            weight = run.tensor(g["weight"])
            where = weight > 0
            logits = model.lm_head(hidden[i][where]).float()
            target = run.tensor(g["target"])[where]
            each = F.cross_entropy(logits, target, reduction="none") * weight[where]
            # Every question weighs the same up to a factor: long answers count by the root of their length.
            length = weight.sum(-1, keepdim=True).expand_as(weight)[where]
            part = (each / length.sqrt()).sum() / (weight.shape[0] * weight.shape[1])
            total = total + part
            hit = torch.zeros_like(weight, dtype=torch.bool)
            hit[where] = logits.argmax(-1) == target
            right = (hit | ~where).all(-1)
            for task in np.unique(g["tasks"]):
                seen[str(task)] = right[run.tensor(g["tasks"] == task)].float().mean().item()
            seen["lm"] = seen.get("lm", 0.0) + part.item()
            # In which cells does the asked entity stand? At its name, and one layer later behind the question.
            cells = run.tensor(g["cells"])
            marked = cells[..., 0] != IGNORE
            labels = cells[marked].float()
            several = labels.sum(-1) > 1
            # Some heads of that layer are told where to look from the name: at every place the entity stands, alike.
            mass = watched["looks", CELLS_LAYER][i][:, LOOKING_HEADS].float() @ cell_of[:, None]
            wanted = (
                torch.where(marked[..., None], cells, 0).float()[:, None]
                / torch.where(marked, (cells == 1).sum(-1), 1).clamp(min=1)[:, None, :, None]
            )
            total = total - 0.5 * (wanted * (mass + 1e-4).log()).sum() / wanted.sum().clamp(min=1) / len(LOOKING_HEADS)
            seen["look" + "*" * i] = ((wanted > 0) * mass).sum().item() / max(1, (wanted > 0).any(-1).sum().item()) / len(LOOKING_HEADS)
            for name, place, layer in (("cells", "named", CELLS_LAYER), ("located", "stop", MATCH_LAYER)):
                spot = run.tensor(g[place])[..., None, None].expand(-1, -1, 1, prefix.shape[-1])
                bits = heads[name](watched[layer][1][i].gather(2, spot)[:, :, 0][marked]).float()
                total = total + F.binary_cross_entropy_with_logits(bits, labels, pos_weight=labels.new_tensor(2.0))
                exact = ((bits > 0) == (labels > 0)).all(-1)
                seen[name + "*" * i] = exact.float().mean().item()
                if several.any():
                    seen[name + "2+" + "*" * i] = exact[several].float().mean().item()
            match = run.tensor(g["match"])
            marked = match != IGNORE
            if marked.any():
                logits = heads["match"](watched[MATCH_LAYER][1][i][marked])
                labels = match[marked].long()
                total = total + 0.5 * F.cross_entropy(logits.float(), labels, weight=logits.new_tensor([1.0, 2.0], dtype=torch.float32))
                seen["match"] = accuracy(logits, labels, labels == 1)
    return total, seen
