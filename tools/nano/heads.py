# SPDX-License-Identifier: Apache-2.0
"""Auxiliary heads: they read the dense labels off the features during training and are dropped afterwards."""

import entities as E
import pages as P
import torch
import torch.nn.functional as F
from torch import nn


def weighted(logits, target, weight):
    loss = F.cross_entropy(logits.flatten(0, -2).float(), target.flatten(), reduction="none")
    return (loss * weight.flatten()).sum() / weight.sum().clamp(min=1)


def accuracy(logits, target, where):
    hit = (logits.argmax(-1) == target)[where]
    return hit.float().mean().item() if hit.numel() else float("nan")


class PatchHeads(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.character = nn.Linear(size, E.NO_CHARACTER + 1)
        self.index = nn.Linear(size, P.NO_INDEX + 1)
        self.identity = nn.Linear(size, E.NO_KIND + 1)

    def forward(self, x, labels, low_weight=0.2):
        """x `[B, V, patches, size]`; returns the loss and {name: accuracy on the slices' occupied patches}."""
        labels = labels.long()
        view = torch.ones(x.shape[:3], device=x.device)
        view[:, 0] = low_weight
        loss, seen = 0.0, {}
        for name, column, none, share in (
            ("character", P.PATCH_CHARACTER, E.NO_CHARACTER, 1.0),
            ("index", P.PATCH_INDEX, P.NO_INDEX, 0.5),
            ("identity", P.PATCH_IDENTITY, E.NO_KIND, 0.7),
        ):
            target = labels[..., column]
            logits = getattr(self, name)(x)
            full = target != none
            w = torch.where(full, 1.0, 0.15) * (view if name != "identity" else view.clamp(min=0.5))
            loss = loss + share * weighted(logits, target, w)
            where = full.clone()
            where[:, 0] = False
            seen[name[:5]] = accuracy(logits, target, where)
        return loss, seen


class TokenHeads(nn.Module):
    """On sampler tokens (cell=False), or on the decoder's hidden states at the image tokens (cell=True)."""

    def __init__(self, size, cell=False):
        super().__init__()
        self.start = nn.Linear(size, P.NO_INDEX + 1)
        self.slots = nn.Linear(size, 3 * (E.NO_CHARACTER + 1))
        self.identity = nn.Linear(size, E.NO_KIND + 1)
        self.anchor = nn.Linear(size, 2)
        self.cell = nn.Linear(size, P.NO_CELL + 1) if cell else None

    def forward(self, x, labels, low_weight=0.2):
        labels = labels.long()
        view = torch.ones(x.shape[:3], device=x.device)
        view[:, 0] = low_weight
        loss, seen = 0.0, {}
        start = labels[..., P.TOKEN_START]
        full = start != P.NO_INDEX
        w = torch.where(full, 1.0, 0.15) * view
        where = full.clone()
        where[:, 0] = False
        logits = self.start(x)
        loss = loss + 0.7 * weighted(logits, start, w)
        seen["start"] = accuracy(logits, start, where)
        slots = self.slots(x).unflatten(-1, (3, -1))
        target = labels[..., P.TOKEN_C0 : P.TOKEN_C2 + 1]
        ws = w[..., None] * torch.tensor([1.0, 0.8, 0.3], device=x.device)
        loss = loss + 1.5 * weighted(slots, target, ws)
        seen["c0"] = accuracy(slots[..., 0, :], target[..., 0], where)
        seen["c1"] = accuracy(slots[..., 1, :], target[..., 1], where & (target[..., 1] != E.NO_CHARACTER))
        view = view.clamp(min=0.5)
        for name, column, none, share in (
            ("identity", P.TOKEN_IDENTITY, E.NO_KIND, 0.7),
            ("anchor", P.TOKEN_ANCHOR, 0, 0.5),
            ("cell", P.TOKEN_CELL, P.NO_CELL, 0.7),
        ):
            if getattr(self, name) is None:
                continue
            target = labels[..., column]
            logits = getattr(self, name)(x)
            full = target != none
            loss = loss + share * weighted(logits, target, torch.where(full, 1.0, 0.15) * view)
            seen[name[:5] + "T"] = accuracy(logits, target, full)
        return loss, seen
