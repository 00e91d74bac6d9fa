# SPDX-License-Identifier: Apache-2.0
"""Auxiliary heads: they read the dense labels off image vectors during training and are dropped afterwards."""

import entities as E
import torch
from heads import accuracy, weighted
from torch import nn

from . import pages as M


class VectorHeads(nn.Module):
    """On image vectors (order=False), or on the decoder's states at the image (order=True), where the neighbour's character and
    the line's number can be known too."""

    def __init__(self, size, order=False):
        super().__init__()
        self.slots = nn.Linear(size, M.SLOTS * (M.NO_SLOT + 1))
        self.identity, self.colour = nn.Linear(size, E.NO_KIND + 1), nn.Linear(size, M.NO_COLOUR + 1)
        self.anchor = nn.Linear(size, 2)
        self.previous = nn.Linear(size, E.NO_CHARACTER + 1) if order else None
        self.line = nn.Linear(size, M.NO_LINE + 1) if order else None

    def forward(self, x, labels, global_weight=0.15):
        """x `[images, views, cells, size]`, the global view last. Returns the loss and {name: accuracy on the tiles}."""
        labels = labels.long()
        view = torch.ones(x.shape[:3], device=x.device)
        view[:, -1] = global_weight
        target = labels[..., : M.SLOTS]
        full = target[..., 0] != M.NO_SLOT
        tiles = full.clone()
        tiles[:, -1] = False
        logits = self.slots(x).unflatten(-1, (M.SLOTS, -1))
        share = torch.tensor([1.0, 0.9, 0.5, 0.2], device=x.device)
        loss = 1.5 * weighted(logits, target, (torch.where(full, 1.0, 0.12) * view)[..., None] * share)
        seen = {f"c{i}": accuracy(logits[..., i, :], target[..., i], tiles & (target[..., i] != M.NO_SLOT)) for i in (0, 1)}
        seen["cell"] = ((logits.argmax(-1) == target).all(-1))[tiles].float().mean().item()
        for name, column, none, factor in (
            ("identity", M.IDENTITY, E.NO_KIND, 0.5),
            ("colour", M.COLOUR, M.NO_COLOUR, 0.3),
            ("anchor", M.ANCHOR, 0, 0.2),
            ("previous", M.PREVIOUS, E.NO_CHARACTER, 0.5),
            ("line", M.LINE, M.NO_LINE, 0.3),
        ):
            head = getattr(self, name)
            if head is None:
                continue
            target = labels[..., column]
            logits = head(x)
            known = full if name in ("previous", "line") else target != none
            loss = loss + factor * weighted(logits, target, torch.where(known, 1.0, 0.1) * view)
            where = (known & (target != none)).clone()
            where[:, -1] = False
            seen[name[:5]] = accuracy(logits, target, where)
        return loss, seen
