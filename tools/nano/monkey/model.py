# SPDX-License-Identifier: Apache-2.0
"""Monkey (arXiv:2311.06607) in PyTorch, with the tensor names of the published checkpoints.

Qwen-VL vision tower with one adapter set per tile, one-layer resampler, Qwen decoder (first version). Views are outermost in
the tower, tiles first and the global view last: `[views, images, patches, width]`, so that each tile's adapters are one
batched product.
"""

import torch
import torch.nn.functional as F
from model import RMSNorm, attention, decode_after_prefix, merge_heads, rotary_tables, split_heads
from slicing import CLIP_MEAN, CLIP_STD
from torch import nn

DEFAULT = dict(
    tile=96,
    patch_size=8,
    width=128,
    tower_layers=5,
    tower_heads=4,
    mlp_size=512,
    rank=16,
    mlp_rank=32,
    adapters=6,
    n_queries=36,
    hidden_size=256,
    layers=4,
    heads=4,
    ff=512,
    vocab_size=0,
    image_start=0,
    seq_length=1024,
    max_positions=2048,
    eps=1e-6,
    whole=False,
)  # whole: no tiles, positions interpolated to the whole page (ablation)


class Adapter(nn.Module):
    """A low-rank side product, scale * B(A(x))."""

    def __init__(self, size, out, rank):
        super().__init__()
        self.lora_a, self.lora_b = nn.Linear(size, rank, bias=False), nn.Linear(rank, out, bias=False)
        self.lora_scale = nn.Parameter(torch.ones(1))
        nn.init.zeros_(self.lora_b.weight)


def adapt(adapters, x, y):
    """Adds to `y` `[views, ..., out]` the adapters' products of `x` `[views, ..., in]`; the last view, the global one, has none."""
    if not len(adapters):
        return y
    tiles = x.shape[0] - 1
    used = [adapters[k % len(adapters)] for k in range(tiles)]
    a = torch.stack([u.lora_a.weight for u in used]).transpose(1, 2)
    b = torch.stack([u.lora_b.weight * u.lora_scale for u in used]).transpose(1, 2)
    side = torch.bmm(torch.bmm(x[:tiles].flatten(1, -2), a), b).view(tiles, *y.shape[1:])
    return torch.cat([y[:tiles] + side, y[tiles:]])


class VisualAttention(nn.Module):
    """Rows of in_proj: for each head its query, key and value."""

    def __init__(self, c):
        super().__init__()
        d, sets = c["width"], c["adapters"]
        self.heads = c["tower_heads"]
        self.in_proj, self.out_proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.in_proj_lora = nn.ModuleList(Adapter(d, 3 * d, c["rank"]) for _ in range(sets))
        self.out_proj_lora = nn.ModuleList(Adapter(d, d, c["rank"]) for _ in range(sets))

    def forward(self, x):
        mixed = adapt(self.in_proj_lora, x, self.in_proj(x))
        q, k, v = split_heads(mixed, self.heads).chunk(3, -1)
        context = merge_heads(attention(q, k, v))
        return adapt(self.out_proj_lora, context, self.out_proj(context))


class VisualBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["width"]
        self.ln_1, self.ln_2 = nn.LayerNorm(d, c["eps"]), nn.LayerNorm(d, c["eps"])
        self.attn = VisualAttention(c)
        self.mlp = nn.Module()
        self.mlp.c_fc, self.mlp.c_proj = nn.Linear(d, c["mlp_size"]), nn.Linear(c["mlp_size"], d)
        self.mlp_lora = nn.ModuleList(Adapter(d, d, c["mlp_rank"]) for _ in range(c["adapters"]))

    def forward(self, x):
        y = x + self.attn(self.ln_1(x))
        return adapt(self.mlp_lora, y, y + self.mlp.c_proj(F.gelu(self.mlp.c_fc(self.ln_2(y)))))


def interpolate_positions(table, count):
    """`[n, size]` of a square grid -> `[count, size]` of another, bicubic (a = -0.75)."""
    source, target = round(table.shape[0] ** 0.5), round(count**0.5)
    if source == target:
        return table
    grid = table.float().view(1, source, source, -1).permute(0, 3, 1, 2)
    out = F.interpolate(grid, (target, target), mode="bicubic", align_corners=False)
    return out.permute(0, 2, 3, 1).flatten(0, 2).to(table.dtype)


def sine_positions(side, size):
    """`[side * side, size]`: the first half of the channels encodes the column, the second the row."""
    omega = 10000.0 ** (-torch.arange(size // 4).double() / (size // 4))
    angles = torch.arange(side).double()[:, None] * omega
    one = torch.cat([angles.sin(), angles.cos()], 1).float()
    return torch.cat([one.repeat(side, 1), one.repeat_interleave(side, 0)], 1)


class Resampler(nn.Module):
    """One cross-attention layer: learned queries ask the patches; both carry sine positions."""

    def __init__(self, c):
        super().__init__()
        d, h = c["width"], c["hidden_size"]
        self.heads = max(1, h // 128)
        self.pos_embed = nn.Parameter(sine_positions(round(c["n_queries"] ** 0.5), h), requires_grad=False)
        self.query = nn.Parameter(torch.randn(c["n_queries"], h) * 0.02)
        self.kv_proj = nn.Linear(d, h, bias=False)
        self.attn = nn.MultiheadAttention(h, self.heads)
        self.ln_q, self.ln_kv = nn.LayerNorm(h, c["eps"]), nn.LayerNorm(h, c["eps"])
        self.look_near(d, h)

    @torch.no_grad()
    def look_near(self, d, h, turns=12):
        """Starts where training would have to get first: every query reads the patches about its own place, one head those on
        the left of it, the next those on the right, and hands their features on unmixed.

        The fastest `turns` frequencies of the positions make the scores (sum of cos(distance * omega)), a turn of the phase moves
        the place asked for by a quarter of a cell, and the content is laid into the channels that positions leave alone.
        """
        quarter, per = h // 4, h // self.heads
        fast = [base + j for base in range(0, h, quarter) for j in range(turns)]
        slow = [i for i in range(h) if i not in fast]
        self.kv_proj.weight.zero_()
        for i in range(d):
            self.kv_proj.weight[slow[i % len(slow)], i] = 1.0
        w = self.attn.in_proj_weight.view(3, self.heads, per, h)
        w.mul_(0.02)
        for head in range(self.heads):
            shift = (head - (self.heads - 1) / 2) * 0.5
            row = 0
            for axis, moved in ((0, shift), (h // 2, 0.0)):
                for j in range(turns):
                    s, c = axis + j, axis + quarter + j
                    angle = torch.tensor(moved * 10000.0 ** (-j / quarter))
                    scale = 9.0 if j < 6 else 5.0
                    # sin(a + m) = sin a cos m + cos a sin m
                    w[0, head, row, s], w[0, head, row, c] = scale * angle.cos(), scale * angle.sin()
                    w[0, head, row + 1, c], w[0, head, row + 1, s] = scale * angle.cos(), -scale * angle.sin()
                    w[1, head, row, s], w[1, head, row + 1, c] = scale, scale
                    row += 2
            for i in range(per):
                w[2, head, i, slow[i % len(slow)]] += 1.0
        self.attn.in_proj_bias.zero_()
        self.attn.out_proj.weight.mul_(0.1).add_(torch.eye(h))
        self.attn.out_proj.bias.zero_()
        self.ln_q.weight.fill_(0.1)

    def forward(self, x):
        """`[..., patches, width]` -> `[..., queries, hidden]`."""
        kv = self.ln_kv(self.kv_proj(x))
        at = interpolate_positions(self.pos_embed, x.shape[-2]).to(kv.dtype)
        wq, wk, wv = self.attn.in_proj_weight.chunk(3)
        bq, bk, bv = self.attn.in_proj_bias.chunk(3)
        q = F.linear(self.ln_q(self.query) + self.pos_embed, wq, bq)
        k, v = F.linear(kv + at, wk, bk), F.linear(kv, wv, bv)
        q, k, v = (split_heads(t, self.heads) for t in (q.expand(*x.shape[:-2], -1, -1), k, v))
        return self.attn.out_proj(merge_heads(attention(q, k, v)))


class Tower(nn.Module):
    """`transformer.visual`: trunk with adapters, resampler, norm, projection."""

    def __init__(self, c):
        super().__init__()
        d, p = c["width"], c["patch_size"]
        self.tile, self.patch, self.whole = c["tile"], p, c["whole"]
        self.conv1 = nn.Conv2d(3, d, p, p, bias=False)
        self.positional_embedding = nn.Parameter(torch.randn((c["tile"] // p) ** 2, d) * 0.3)
        self.ln_pre = nn.LayerNorm(d, c["eps"])
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(VisualBlock(c) for _ in range(c["tower_layers"]))
        self.attn_pool = Resampler(c)
        self.ln_post = nn.LayerNorm(c["hidden_size"], c["eps"])
        self.proj = nn.Parameter(torch.eye(c["hidden_size"]) + 0.02 * torch.randn(c["hidden_size"], c["hidden_size"]))
        self.register_buffer("mean", 255 * torch.tensor(CLIP_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(CLIP_STD).view(3, 1, 1), persistent=False)

    def views(self, pixels, rows, cols):
        """uint8 `[images, rows * tile, cols * tile, 3]` -> normalised `[rows * cols + 1, images, 3, tile, tile]`, the global view
        made from the normalised whole by bicubic without antialiasing."""
        x = pixels.permute(0, 3, 1, 2).float().sub(self.mean).div(self.std)
        b, t = x.shape[0], self.tile
        if self.whole:
            return x[None]
        whole = F.interpolate(x, (t, t), mode="bicubic", align_corners=False)
        tiles = x.view(b, 3, rows, t, cols, t).permute(2, 4, 0, 1, 3, 5).reshape(rows * cols, b, 3, t, t)
        return torch.cat([tiles, whole[None]])

    def trunk(self, views):
        """`[views, images, 3, side, side]` -> patch features `[views, images, patches, width]`."""
        v, b, _, side, _ = views.shape
        g, p = side // self.patch, self.patch
        x = views.view(v, b, 3, g, p, g, p).permute(0, 1, 3, 5, 2, 4, 6).reshape(v, b, g * g, 3 * p * p)
        x = F.linear(x, self.conv1.weight.flatten(1))
        x = self.ln_pre(x + interpolate_positions(self.positional_embedding, g * g))
        for block in self.transformer.resblocks:
            x = block(x)
        return x

    def sample(self, patches):
        return self.ln_post(self.attn_pool(patches)) @ self.proj


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        self.c_attn, self.c_proj = nn.Linear(h, 3 * h), nn.Linear(h, h, bias=False)


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, f = c["hidden_size"], c["ff"]
        self.w1, self.w2, self.c_proj = nn.Linear(h, f, bias=False), nn.Linear(h, f, bias=False), nn.Linear(f, h, bias=False)

    def forward(self, x):
        up, gate = F.linear(x, torch.cat([self.w1.weight, self.w2.weight])).chunk(2, -1)
        return self.c_proj(up * F.silu(gate))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c["heads"]
        self.ln_1, self.ln_2 = RMSNorm(c["hidden_size"], c["eps"]), RMSNorm(c["hidden_size"], c["eps"])
        self.attn, self.mlp = Attention(c), MLP(c)

    def forward(self, x, attend):
        qkv = self.attn.c_attn(self.ln_1(x)).unflatten(-1, (3, self.heads, -1))
        x = x + self.attn.c_proj(attend(*qkv.unbind(-3)).flatten(-2))
        return x + self.mlp(self.ln_2(x))


class Monkey(nn.Module):
    """The whole system. `state_dict()` has the checkpoint's names."""

    def __init__(self, config):
        super().__init__()
        c = self.config = {**DEFAULT, **config}
        h = c["hidden_size"]
        self.transformer = nn.Module()
        self.transformer.wte = nn.Embedding(c["vocab_size"], h)
        nn.init.normal_(self.transformer.wte.weight, std=0.5)
        self.transformer.h = nn.ModuleList(Block(c) for _ in range(c["layers"]))
        self.transformer.ln_f = RMSNorm(h, c["eps"])
        self.transformer.visual = Tower(c)
        self.lm_head = nn.Linear(h, c["vocab_size"], bias=False)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        depth = (2 * c["layers"]) ** -0.5
        for block in self.transformer.h:
            block.attn.c_proj.weight.data.mul_(depth)
            block.mlp.c_proj.weight.data.mul_(depth)
        cos, sin = rotary_tables(h // c["heads"], 10000.0, c["seq_length"])
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def see(self, pixels, rows, cols):
        """uint8 pages -> patch features `[views, images, patches, width]`, the global view last."""
        visual = self.transformer.visual
        return visual.trunk(visual.views(pixels, rows, cols))

    def sample(self, patches):
        """-> image vectors `[views, images, queries, hidden]`."""
        return self.transformer.visual.sample(patches)

    def embed(self, ids):
        return self.transformer.wte(ids)

    def prefix(self, tokens):
        """`<img>`, the views' vectors, `</img>`: `[images, 1 + views * queries + 1, hidden]`."""
        v, b, n, h = tokens.shape
        ends = self.embed(torch.arange(2, device=tokens.device) + self.config["image_start"]).to(tokens.dtype)
        start, end = ends[:, None, None].expand(2, b, 1, h)
        return torch.cat([start, tokens.transpose(0, 1).reshape(b, v * n, h), end], 1)

    def decode(self, prefix, groups, watch=(), looks=None):
        t = self.transformer
        return decode_after_prefix(self.embed, t.h, t.ln_f, self.cos, self.sin, prefix, groups, watch, looks)

    def norm_logits(self, x):
        return self.lm_head(self.transformer.ln_f(x))
