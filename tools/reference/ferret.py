# SPDX-License-Identifier: Apache-2.0
"""Ferret, Ferret-UI and Ferret-v2 in PyTorch, written from the papers (arXiv:2310.07704, arXiv:2404.07973) for comparison."""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPVisionModel, Dinov2Model, LlamaForCausalLM

POINTS, ANCHORS, NEIGHBOURS = 512, (128, 32), 24


def farthest(places, count, first):
    """Indices of `count` points, each the farthest from those before."""
    nearest = torch.full((len(places),), 1e10)
    chosen = []
    for _ in range(count):
        chosen.append(first)
        nearest = torch.minimum(nearest, ((places - places[first]) ** 2).sum(-1))
        first = int(nearest.argmax())
    return chosen


def neighbours(anchors, places):
    """The 24 nearest of each anchor, by -2ab + a² + b², the first of equals."""
    d = -2 * anchors @ places.T
    d = d + (anchors**2).sum(-1)[:, None]
    d = d + (places**2).sum(-1)[None]
    return d.argsort(dim=-1, stable=True)[:, :NEIGHBOURS]


class Aggregation(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.net = nn.Sequential(nn.Conv1d(2 * (d + 2), d, 1), nn.ReLU())
        self.norm = nn.LayerNorm(d)

    def forward(self, x, mean):  # [anchors, neighbours, 2(d + 2)]
        x = self.norm(self.net(x.transpose(1, 2)).transpose(1, 2))
        return x.mean(1) if mean else x.max(1).values


class RegionSampler(nn.Module):
    def __init__(self, d, width, mean=False, transposed=True):
        super().__init__()
        self.diff_projector_list = nn.ModuleList(nn.Linear(d + 2, d + 2) for _ in range(2))
        self.agg_projector_list = nn.ModuleList(Aggregation(d) for _ in range(2))
        self.flatten_projector = nn.Linear(32 * d, d)
        self.dim_projector = nn.Linear(d, width)
        self.mean, self.transposed = mean, transposed

    def forward(self, feature_map, pixels, size, starts):
        """feature_map [h, w, d]; pixels [512, 2] of x, y; size (width, height); starts: first anchor of each stage."""
        places = pixels.float() / torch.tensor(size, dtype=torch.float32)
        grid = 2 * (places.flip(-1) if self.transposed else places) - 1
        features = F.grid_sample(feature_map.permute(2, 0, 1)[None], grid[None, None], align_corners=True)[0, :, 0].T
        for stage, (count, first) in enumerate(zip(ANCHORS, starts)):
            chosen = farthest(places, count, first)
            near = neighbours(places[chosen], places)
            u = torch.cat([features, places], -1)
            own = u[chosen][:, None].expand(-1, NEIGHBOURS, -1)
            difference = self.diff_projector_list[stage](u[near] - own)
            features = self.agg_projector_list[stage](torch.cat([difference, own], -1), self.mean)
            places = places[chosen]
        return self.dim_projector(self.flatten_projector(features.reshape(-1)))


class Ferret(nn.Module):
    """kind: "ferret" (whole view only), "ferret_ui" (tiles through the same encoder), "ferret_v2" (tiles through DINOv2)."""

    def __init__(self, kind, vision, text, dino=None, tile_side=None, projected=False, linear=False, **sampler):
        super().__init__()
        self.kind, self.projected, self.tile_side = kind, projected, tile_side or vision.image_size
        self.vision = CLIPVisionModel._from_config(vision, attn_implementation="eager")
        self.llm = LlamaForCausalLM._from_config(text, attn_implementation="eager")
        width = text.hidden_size
        self.projector = nn.Linear(vision.hidden_size, width) if linear else self.mlp(vision.hidden_size, width)
        if kind == "ferret_v2":
            self.dino = Dinov2Model._from_config(dino, attn_implementation="eager")
            self.local_projector = self.mlp(dino.hidden_size, width)
        self.sampler = RegionSampler(width if projected else vision.hidden_size, width, **sampler)

    @staticmethod
    def mlp(a, b):
        return nn.Sequential(nn.Linear(a, b), nn.GELU(), nn.Linear(b, b))

    def clip(self, pixels):
        return self.vision(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]

    def forward(self, whole, tiles, rows, columns):
        """whole [1, 3, s, s]; tiles [rows·columns, 3, t, t] or None -> tokens [n, width], region map [h, w, d]."""
        f = self.clip(whole)[0]
        h = self.projector(f)
        side = int(len(f) ** 0.5)
        if tiles is None:
            return h, (h if self.projected else f).view(side, side, -1)
        fl = self.clip(tiles) if self.kind == "ferret_ui" else self.dino(tiles).last_hidden_state[:, 1:]
        hl = (self.projector if self.kind == "ferret_ui" else self.local_projector)(fl)

        def big(x):  # [tiles, t², c] -> [rows·t, columns·t, c]
            t = int(x.shape[1] ** 0.5)
            return x.view(rows, columns, t, t, -1).permute(0, 2, 1, 3, 4).reshape(rows * t, columns * t, -1)

        local = big(hl if self.projected else fl)
        up = (h if self.projected else f).view(side, side, -1).permute(2, 0, 1)[None]
        up = F.interpolate(up, size=local.shape[:2], mode="nearest")[0].permute(1, 2, 0)
        return torch.cat([h, big(hl).flatten(0, 1)]), up + local
