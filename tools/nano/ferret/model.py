# SPDX-License-Identifier: Apache-2.0
"""Ferret-v2 (arXiv:2404.07973) in PyTorch, with the tensor names of tools/reference/FERRET_V2.md.

CLIP for the whole view, DINOv2 for the tiles, a projector each, the fused map, the spatial-aware region sampler, a LLaMA decoder.
Written to train fast on a CPU: see model.py beside this package.
"""

import torch
import torch.nn.functional as F
from model import Attention, CLIPEmbeddings, LlamaLayer, RMSNorm, attention, decode_after_prefix, merge_heads, rotary_tables, split_heads
from slicing import CLIP_MEAN, CLIP_STD
from torch import nn

from .regions import ANCHORS

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DEFAULT = dict(
    side=64,
    patch_size=8,
    width=128,
    vision_intermediate=512,
    clip_layers=5,
    dino_layers=5,
    vision_heads=4,
    hidden_size=192,
    intermediate_size=512,
    layers=5,
    heads=6,
    vocab_size=0,
    region_token=0,
    rms_eps=1e-5,
    rope_theta=10000.0,
    max_positions=1024,
    # Ablations: `locals` sees the tiles (dino, clip, or none: fixed resolution); `refers` is the map regions are read from (fused, whole).
    locals="dino",
    refers="fused",
)


class QuickMLP(nn.Module):
    """CLIP's: quick_gelu(z) = z sigmoid(1.702 z), computed as SiLU."""

    def __init__(self, size, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, x):
        return F.linear(F.silu(F.linear(x, 1.702 * self.fc1.weight, 1.702 * self.fc1.bias)), self.fc2.weight / 1.702, self.fc2.bias)


class CLIPLayer(nn.Module):
    def __init__(self, size, inner, heads):
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.self_attn, self.mlp = Attention(size, heads, "out_proj"), QuickMLP(size, inner)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


def normalised(pixels, mean, std):
    """uint8 `[n, side, side, 3]` -> `[n, 3, side, side]`."""
    x = pixels.permute(0, 3, 1, 2).float() / 255
    return (x - x.new_tensor(mean).view(3, 1, 1)) / x.new_tensor(std).view(3, 1, 1)


class CLIP(nn.Module):
    """The whole view; features after the last block, without the class token."""

    def __init__(self, c):
        super().__init__()
        d = c["width"]
        self.embeddings = CLIPEmbeddings(d, c["side"], c["patch_size"])
        self.pre_layrnorm, self.post_layernorm = nn.LayerNorm(d), nn.LayerNorm(d)  # the second is unused, as in LLaVA
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(CLIPLayer(d, c["vision_intermediate"], c["vision_heads"]) for _ in range(c["clip_layers"]))

    def forward(self, pixels):
        x = self.pre_layrnorm(self.embeddings(normalised(pixels, CLIP_MEAN, CLIP_STD)))
        for layer in self.encoder.layers:
            x = layer(x)
        return x[:, 1:]


class Dinov2Layer(nn.Module):
    """Names as in transformers' Dinov2Model before version 5."""

    def __init__(self, size, inner, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(size, 1e-6), nn.LayerNorm(size, 1e-6)
        self.attention = nn.Module()
        self.attention.attention = nn.Module()
        for name in ("query", "key", "value"):
            self.attention.attention.add_module(name, nn.Linear(size, size))
        self.attention.output = nn.Module()
        self.attention.output.dense = nn.Linear(size, size)
        self.layer_scale1, self.layer_scale2, self.mlp = nn.Module(), nn.Module(), nn.Module()
        self.layer_scale1.lambda1, self.layer_scale2.lambda1 = nn.Parameter(torch.ones(size)), nn.Parameter(torch.ones(size))
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, x):
        a = self.attention.attention
        parts = (a.query, a.key, a.value)
        q, k, v = F.linear(self.norm1(x), torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])).chunk(3, -1)
        context = merge_heads(attention(*(split_heads(t, self.heads) for t in (q, k, v))))
        x = x + self.layer_scale1.lambda1 * self.attention.output.dense(context)
        return x + self.layer_scale2.lambda1 * self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class Dinov2(nn.Module):
    """The tiles; normed features of the last block, without the class token."""

    def __init__(self, c):
        super().__init__()
        d, p = c["width"], c["patch_size"]
        self.patch, self.grid = p, c["side"] // p
        self.embeddings = nn.Module()
        self.embeddings.cls_token = nn.Parameter(torch.randn(1, 1, d) * 0.02)
        self.embeddings.position_embeddings = nn.Parameter(torch.randn(1, 1 + self.grid**2, d) * 0.1)
        self.embeddings.patch_embeddings = nn.Module()
        self.embeddings.patch_embeddings.projection = nn.Conv2d(3, d, p, p)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(Dinov2Layer(d, c["vision_intermediate"], c["vision_heads"]) for _ in range(c["dino_layers"]))
        self.layernorm = nn.LayerNorm(d, 1e-6)

    def forward(self, pixels):
        x = normalised(pixels, IMAGENET_MEAN, IMAGENET_STD)
        n, g, p, e = len(x), self.grid, self.patch, self.embeddings
        x = x.view(n, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(n, g * g, 3 * p * p)
        x = F.linear(x, e.patch_embeddings.projection.weight.flatten(1), e.patch_embeddings.projection.bias)
        x = torch.cat([e.cls_token.to(x.dtype).expand(n, 1, -1), x], 1) + e.position_embeddings
        for layer in self.encoder.layer:
            x = layer(x)
        return self.layernorm(x)[:, 1:]


def rows(table, index):
    """table `[n, points, c]`, index `[n, ...]` -> `[n, ..., c]`; its way back is many times faster than gather's."""
    first = torch.arange(len(table), device=table.device).view(-1, *[1] * (index.dim() - 1)) * table.shape[1]
    return F.embedding(index.long() + first, table.flatten(0, 1))


def bilinear(table, places, width, height):
    """The map `[B, height * width, c]` at `places` `[B, n, 2]` (x, y from 0 to 1, corner pixels standing at 0 and 1): `[B, n, c]`."""
    x, y = (places * places.new_tensor([width - 1, height - 1])).unbind(-1)
    x0, y0 = x.floor().clamp(0, width - 1), y.floor().clamp(0, height - 1)
    x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)
    out = 0.0
    for cx, wx in ((x0, 1 - (x - x0)), (x1, x - x0)):
        for cy, wy in ((y0, 1 - (y - y0)), (y1, y - y0)):
            out = out + rows(table, cy * width + cx) * (wx * wy).to(table.dtype)[..., None]
    return out


class Aggregation(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.net = nn.Sequential(nn.Conv1d(2 * (d + 2), d, 1))
        self.norm = nn.LayerNorm(d)


class RegionSampler(nn.Module):
    """512 points of a region become one vector (arXiv:2310.07704 section 3.2). No non-linearity stands between a stage's difference and
    its aggregation, so both are one product for each neighbour's features and one for each anchor's: e = norm(relu(A u_j + B u_a + c))."""

    def __init__(self, d, width):
        super().__init__()
        self.diff_projector_list = nn.ModuleList(nn.Linear(d + 2, d + 2) for _ in range(2))
        self.agg_projector_list = nn.ModuleList(Aggregation(d) for _ in range(2))
        self.flatten_projector, self.dim_projector = nn.Linear(ANCHORS[1] * d, d), nn.Linear(d, width)
        self.size = d

    def products(self, stage):
        d, a = self.diff_projector_list[stage], self.agg_projector_list[stage].net[0]
        w = a.weight[..., 0]
        first, second = w[:, : self.size + 2], w[:, self.size + 2 :]
        neighbour = first @ d.weight
        return neighbour, second - neighbour, first @ d.bias + a.bias

    def pool(self, stage, neighbour, anchor, near):
        """neighbour `[n, points, d]`, anchor `[n, anchors, d]`, near `[n, anchors, 24]` -> `[n, anchors, d]`."""
        e = F.relu(rows(neighbour, near) + anchor[:, :, None])
        return self.agg_projector_list[stage].norm(e).max(2).values

    def forward(self, feature_map, width, height, g):
        """feature_map `[B, height * width, d]`; g: `regions.geometry` of R regions an image, `[B, R, ...]` -> `[B, R, width]`."""
        b, r = g["places"].shape[:2]
        d = self.size
        places = g["places"].flatten(0, 1)
        one = g["anchors0"].flatten(0, 1), g["anchors1"].flatten(0, 1)
        near = g["near0"].flatten(0, 1), g["near1"].flatten(0, 1)
        wn, wa, c = self.products(0)
        both = F.linear(feature_map, torch.cat([wn[:, :d], wa[:, :d]]))
        at_points = bilinear(both[..., :d], places.view(b, -1, 2), width, height).unflatten(1, (r, -1)).flatten(0, 1)
        middle = rows(places, one[0])
        at_anchors = bilinear(both[..., d:], middle.view(b, -1, 2), width, height).unflatten(1, (r, -1)).flatten(0, 1)
        x = self.pool(0, at_points + F.linear(places, wn[:, d:]), at_anchors + F.linear(middle, wa[:, d:], c), near[0])
        wn, wa, c = self.products(1)
        last = rows(middle, one[1])
        own = rows(x, one[1])
        x = self.pool(1, F.linear(x, wn[:, :d]) + F.linear(middle, wn[:, d:]), F.linear(own, wa[:, :d]) + F.linear(last, wa[:, d:], c), near[1])
        return self.dim_projector(self.flatten_projector(x.flatten(1))).unflatten(0, (b, r))


def mlp(a, b):
    return nn.Sequential(nn.Linear(a, b), nn.GELU(), nn.Linear(b, b))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, h = c["width"], c["hidden_size"]
        for name, key, tower in (("vision_tower", "vision_model", CLIP(c)), ("vision_tower_local", None, Dinov2(c))):
            holder = nn.Module()
            holder.vision_tower = tower
            if key:
                holder.vision_tower = nn.Module()
                holder.vision_tower.add_module(key, tower)
            self.add_module(name, holder)
        self.mm_projector, self.mm_projector_local = mlp(d, h), mlp(d, h)
        self.region_geo_sampler = RegionSampler(d, h)
        self.embed_tokens = nn.Embedding(c["vocab_size"], h)
        nn.init.normal_(self.embed_tokens.weight, std=0.5)
        self.layers = nn.ModuleList(LlamaLayer(c) for _ in range(c["layers"]))
        self.norm = RMSNorm(h, c["rms_eps"])


class FerretV2(nn.Module):
    """The whole system. `state_dict()` has the checkpoint's names."""

    def __init__(self, config):
        super().__init__()
        self.config = c = {**DEFAULT, **config}
        self.model = Model(c)
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        cos, sin = rotary_tables(c["hidden_size"] // c["heads"], c["rope_theta"], c["max_positions"])
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.side = c["side"] // c["patch_size"]

    def see(self, pixels, tiles, grid):
        """pixels `[B, side, side, 3]`, tiles `[B, rows * columns, side, side, 3]` (None: not looked at), grid (columns, rows).

        Returns the whole view's features `[B, side², d]` and the tiles' as one map, row by row, `[B, rows * side * columns * side, d]`.
        """
        clip = self.model.vision_tower.vision_tower.vision_model
        if tiles is None or self.config["locals"] == "none":
            return clip(pixels), None
        c, r, s, b = *grid, self.side, len(pixels)
        local = (clip if self.config["locals"] == "clip" else self.model.vision_tower_local.vision_tower)(tiles.flatten(0, 1))
        return clip(pixels), local.view(b, r, c, s, s, -1).transpose(2, 3).reshape(b, r * s * c * s, -1)

    def fused(self, whole, local, grid):
        """Up(F_g) + F_l' (section 3.2), nearest: the map that regions are read from, and its width and height."""
        s = self.side
        if local is None or self.config["refers"] == "whole":
            return whole, s, s
        (c, r), b, d = grid, len(whole), whole.shape[-1]
        up = whole.view(b, s, s, d).repeat_interleave(r, 1).repeat_interleave(c, 2)
        return up.reshape(b, -1, d) + local, c * s, r * s

    def image_tokens(self, whole, local):
        """Whole view, then the big map, without separators: `[B, tokens, hiddenSize]`."""
        tokens = self.model.mm_projector(whole)
        if local is None:
            return tokens
        projector = self.model.mm_projector if self.config["locals"] == "clip" else self.model.mm_projector_local
        return torch.cat([tokens, projector(local)], 1)

    def regions(self, whole, local, grid, geometry):
        return self.model.region_geo_sampler(*self.fused(whole, local, grid), geometry)

    def prefix(self, tokens, before, after):
        """Embeddings of the `before` ids, the image, the `after` ids."""

        def embed(ids):
            return self.model.embed_tokens(torch.tensor(ids, device=tokens.device)).to(tokens.dtype).expand(len(tokens), -1, -1)

        return torch.cat([embed(before), tokens, embed(after)], 1)

    def embedder(self, vectors=None):
        """Embeds ids `[B, Q, L]` (or `[B, L]`); where the region token stands, one for each question, goes the question's vector
        `[B, Q, hiddenSize]`."""

        def embed(ids):
            x = self.model.embed_tokens(ids)
            here = ids == self.config["region_token"]
            if vectors is None or vectors.shape[:-1] != ids.shape[:-1]:
                return x
            return torch.where(here[..., None], vectors[..., None, :].to(x.dtype), x)

        return embed

    def norm_logits(self, x):
        return self.lm_head(self.model.norm(x))

    def decode(self, prefix, groups, vectors=None, watch=(), looks=None):
        m = self.model
        return decode_after_prefix(self.embedder(vectors), m.layers, m.norm, self.cos, self.sin, prefix, groups, watch, looks)
