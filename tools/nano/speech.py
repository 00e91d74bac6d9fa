# SPDX-License-Identifier: Apache-2.0
"""Answers as tokens that say where in the image each of them is to be read, and the decoder's loss on them.

Some attention heads are trained to look at the image vector that holds what a token says. That makes reading learnable in minutes:
without it the decoder has to find out by chance that image and text have to do with each other.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

NOWHERE = -1


@dataclass
class Answer:
    task: str
    prompt: str  # the text after the image block
    tokens: list  # of the answer
    places: list  # of each: index of an image vector, or NOWHERE
    text: str


class Speech:
    """Tokens with the place each of them speaks of."""

    def __init__(self, tokenizer):
        self.tokenizer, self.tokens, self.places = tokenizer, [], []

    def say(self, text, place=NOWHERE):
        return self.add(self.tokenizer.encode(text), place)

    def add(self, ids, place=NOWHERE):
        self.tokens += ids
        self.places += [place] * len(ids)
        return self

    def spell(self, text, places):
        """A text character by character; places of all characters but blanks, which look where the next character stands."""
        places = iter(places)
        where = [NOWHERE if c == " " else next(places) for c in text]
        for i in reversed(range(len(where) - 1)):
            if where[i] == NOWHERE:
                where[i] = where[i + 1]
        for c, place in zip(text, where):
            self.add(self.tokenizer.characters(c), place)
        return self

    def answer(self, task, prompt, text):
        return Answer(task, prompt, self.tokens, self.places, text)


def pack(tokenizer, answers, task=None):
    """Rows of answers, one list an image -> ids, target, weight and places, each `[images, count, longest]`."""
    rows = [(tokenizer.encode(a.prompt), a.tokens + [tokenizer.end], a.places + [NOWHERE]) for image in answers for a in image]
    longest = max(len(h) + len(s) for h, s, _ in rows) - 1
    x, y = np.full((len(rows), longest), tokenizer.end, np.int64), np.zeros((len(rows), longest), np.int64)
    w, at = np.zeros((len(rows), longest), np.float32), np.full((len(rows), longest), NOWHERE, np.int64)
    for r, (head, tail, places) in enumerate(rows):
        whole, first = head + tail, len(head) - 1
        x[r, : len(whole) - 1] = whole[:-1]
        y[r, first : first + len(tail)] = tail
        w[r, first : first + len(tail)] = 1
        at[r, first : first + len(tail)] = places
    shape = (len(answers), len(answers[0]), longest)
    return {
        "ids": x.reshape(shape),
        "target": y.reshape(shape),
        "weight": w.reshape(shape),
        "places": at.reshape(shape),
        "task": task or answers[0][0].task,
    }


def loss(run, groups, hidden, watched, looking, first, look_loss):
    """`hidden` and `watched` as the model's `decode` gives them for these groups; `looking` maps a layer to its heads that are told
    where to look; `first` is the position of the first image vector. Returns the loss and {name: share}."""
    total, seen = 0.0, {}
    for i, g in enumerate(groups):
        weight, places, target = (run.tensor(g[k]) for k in ("weight", "places", "target"))
        where = weight > 0
        logits = run.model.lm_head(hidden[i][where]).float()
        each = F.cross_entropy(logits, target[where], reduction="none")
        # A long answer counts for more than a short one, but by the root of its length.
        length = weight.sum(-1, keepdim=True).expand_as(weight)[where]
        total = total + (each / length.sqrt()).sum() / (1 / length.sqrt()).sum() * (1.0 if i == 0 else 0.5)
        if run.step % 4 == 0:
            hit = torch.ones_like(where)
            hit[where] = logits.argmax(-1) == target[where]
            seen[g["task"] + ".token"] = hit[where].float().mean().item()
            seen[g["task"]] = hit.all(-1).float().mean().item()
        looked = places != NOWHERE
        if not looked.any():
            continue
        at = (places.clamp(min=0) + first)[:, None, ..., None]
        for layer, chosen in looking.items():
            attention = watched["looks", layer][i][:, list(chosen)]
            mass = attention.gather(4, at.expand(-1, len(chosen), -1, -1, -1))[..., 0].float()
            mass = mass.transpose(0, 1)[:, looked]
            total = total - look_loss * (mass + 1e-4).log().mean()
            seen[f"look{layer}" + "'" * i] = mass.mean().item()
    return total, seen
