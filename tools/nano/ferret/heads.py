# SPDX-License-Identifier: Apache-2.0
"""Auxiliary heads: they read the dense labels off features and states during training and are dropped afterwards."""

import torch
import torch.nn.functional as F
from heads import accuracy, weighted
from torch import nn

from . import scenes as S

BINS = 33


def two_hot(share):
    """Shares 0 to 1 as weights of the two nearest of 33 places: `[...]` -> `[..., 33]`."""
    x = share.clamp(0, 1) * (BINS - 1)
    low = x.floor().clamp(max=BINS - 2)
    part = (x - low)[..., None]
    low = low.long()
    return F.one_hot(low, BINS) * (1 - part) + F.one_hot(low + 1, BINS) * part


def expectation(logits):
    return torch.softmax(logits.float(), -1) @ torch.linspace(0, 1, BINS, device=logits.device)


class ThingHeads(nn.Module):
    """At each patch: which kind of thing stands there, in which colour, between which edges; `letters`: which letter; `place`:
    where the patch itself lies in its view."""

    def __init__(self, size, letters=False, place=False):
        super().__init__()
        self.kind, self.colour = nn.Linear(size, S.NO_KIND + 1), nn.Linear(size, S.NO_COLOUR + 1)
        self.edges = nn.Linear(size, 4 * BINS)
        self.letter = nn.Linear(size, S.NO_LETTER + 1) if letters else None
        self.place = nn.Linear(size, 2 * BINS) if place else None

    def forward(self, x, b, boxes, weight=None, places=None):
        """x `[B, n, size]`; b: `at` [B, n], `letter`, `kind`, `colour` as `scenes.labels` gives them; boxes [B, n, 4] of the thing at each
        patch as shares of the view; weight [B, n]. Returns the loss and {name: figure where things stand}."""
        at = b["at"].long()
        full = at >= 0
        index = at.clamp(min=0)
        kind = torch.where(full, b["kind"].long().gather(1, index), S.NO_KIND)
        colour = torch.where(full, b["colour"].long().gather(1, index), S.NO_COLOUR)
        weight = torch.ones_like(at, dtype=torch.float32) if weight is None else weight
        logits = self.kind(x)
        loss = weighted(logits, kind, torch.where(full, 1.0, 0.15) * weight)
        seen = {"kind": accuracy(logits, kind, full & (weight >= 1))}
        logits = self.colour(x)
        coloured = colour != S.NO_COLOUR
        loss = loss + 0.3 * weighted(logits, colour, torch.where(coloured, 1.0, 0.1) * weight)
        seen["col"] = accuracy(logits, colour, coloured & (weight >= 1))
        if full.any():
            where = full.nonzero(as_tuple=True)
            logits, target, w = self.edges(x[where]).unflatten(-1, (4, BINS)), boxes[where], weight[where]
            each = -(two_hot(target) * F.log_softmax(logits.float(), -1)).sum(-1).mean(-1)
            loss = loss + 0.5 * (each * w).sum() / w.sum().clamp(min=1)
            seen["edge"] = (expectation(logits) - target.clamp(0, 1)).abs()[w >= 1].mean().item()
        if self.letter is not None:
            target = b["letter"].long()
            logits = self.letter(x)
            there = target != S.NO_LETTER
            loss = loss + 0.7 * weighted(logits, target, torch.where(there, 1.0, 0.1) * weight)
            seen["letter"] = accuracy(logits, target, there & (weight >= 1))
        if self.place is not None:
            logits = self.place(x).unflatten(-1, (2, BINS))
            each = -(two_hot(places) * F.log_softmax(logits.float(), -1)).sum(-1)
            loss = loss + 0.3 * each.mean()
            seen["place"] = (expectation(logits) - places).abs().mean().item()
        return loss, seen


def boxes_at(b):
    """Box of the thing at each patch as shares of the image's sides, `[B, n, 4]`; zeros where nothing stands."""
    at = b["at"].long()
    return b["box"].gather(1, at.clamp(min=0)[..., None].expand(-1, -1, 4)) * (at >= 0)[..., None]


def patch_places(grid, device):
    """Centres of the patches as shares of the image's sides, in the order of the image tokens: `[n, 2]` of x, y."""
    out = []
    for c, r in ((1, 1), grid):
        cols, rows = c * S.SIDE, r * S.SIDE
        y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(cols) + 0.5) / cols, indexing="ij")
        out.append(torch.stack([x, y], -1).flatten(0, 1))
    return torch.cat(out).to(device)


def own_view(boxes, places, grid):
    """Boxes `[B, n, 4]` and places `[n, 2]` of patches as shares of the image -> as shares of the view each patch lies in: the whole, or
    its tile, boxes clipped to it. Places become `[B, n, 2]`."""
    first = S.SIDE**2
    scale = boxes.new_tensor(grid)
    tile = (places[first:] * scale).floor()
    inside = (boxes[:, first:] * scale.repeat(2) - tile.repeat(1, 2)).clamp(0, 1)
    own = torch.cat([places[:first], places[first:] * scale - tile])
    return torch.cat([boxes[:, :first], inside], 1), own.expand(len(boxes), -1, -1)
