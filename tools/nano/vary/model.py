# SPDX-License-Identifier: Apache-2.0
"""Vary (arXiv:2312.06109) in PyTorch, with the tensor names of the published checkpoints.

`VaryTiny`: the vocabulary network (SAM's image encoder, neck, two convolutions of stride 2) and OPT: stage 1, which grows the
vocabulary. `Vary`: CLIP and the vocabulary network side by side and a Qwen decoder: stage 2, where both networks are frozen.
"""

import torch
import torch.nn.functional as F
from model import CLIPVision, RMSNorm, decode_after_prefix, merge_heads, rotary_tables, split_heads
from monkey.model import Block
from slicing import CLIP_MEAN, CLIP_STD
from torch import nn

DEFAULT = dict(
    image_size=256,
    patch_size=8,
    width=128,
    depth=6,
    tower_heads=4,
    mlp_size=512,
    window=12,
    global_blocks=[2],
    neck=96,
    middle=160,
    out=256,
    hidden_size=128,
    layers=3,
    heads=4,
    ff=512,
    vocab_size=0,
    max_positions=512,
    eps=1e-6,
)
# Stage 2's decoder, nano Monkey's in size, and its second tower: as many vectors as the vocabulary network gives.
BASE = dict(hidden_size=256, layers=4, heads=4, ff=512, seq_length=1024)
CLIP = dict(image_size=64, patch_size=8, vision_hidden=128, vision_intermediate=512, vision_layers=5, vision_heads=4)


class LayerNorm2d(nn.Module):
    """Over the channels, which come last here."""

    def __init__(self, size):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))

    def forward(self, x):
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, 1e-6)


def relative_table(table, size):
    """`[2 * size - 1, headSize]` -> `[size, size, headSize]`, row q, column k: the entry q - k + size - 1."""
    at = torch.arange(size, device=table.device)
    return table[at[:, None] - at[None] + size - 1]


class SAMAttention(nn.Module):
    """Attention over an S x S window with decomposed relative positions, which take the query unscaled."""

    def __init__(self, size, heads, side):
        super().__init__()
        self.heads, self.side = heads, side
        self.qkv, self.proj = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.rel_pos_h = nn.Parameter(torch.randn(2 * side - 1, size // heads) * 0.02)
        self.rel_pos_w = nn.Parameter(torch.randn(2 * side - 1, size // heads) * 0.02)
        at = torch.arange(side * side)
        places = torch.cat([F.one_hot(at // side, side), F.one_hot(at % side, side)], 1).float()
        self.register_buffer("places", places, persistent=False)  # of each key: its row, its column

    def forward(self, x):
        """`[windows, S * S, size]`. A query asks for content and, in as many more components as there are rows and columns, for
        places: one product gives scores and biases, without a table of the biases in memory."""
        s = self.side
        q, k, v = (split_heads(t, self.heads) for t in self.qkv(x).chunk(3, -1))
        grid = q.unflatten(-2, (s, s))
        rows = torch.einsum("bhyxc,ykc->bhyxk", grid, relative_table(self.rel_pos_h, s).to(q.dtype)).flatten(2, 3)
        cols = torch.einsum("bhyxc,xkc->bhyxk", grid, relative_table(self.rel_pos_w, s).to(q.dtype)).flatten(2, 3)
        q = torch.cat([q * q.shape[-1] ** -0.5, rows, cols], -1)
        k = torch.cat([k, self.places.to(k.dtype).expand(*k.shape[:2], -1, -1)], -1)
        return self.proj(merge_heads(torch.softmax(q @ k.transpose(-1, -2), -1) @ v))


class SAMBlock(nn.Module):
    def __init__(self, c, window):
        super().__init__()
        d = c["width"]
        self.window, self.grid = window, c["image_size"] // c["patch_size"]
        self.norm1, self.norm2 = nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
        self.attn = SAMAttention(d, c["tower_heads"], window or self.grid)
        self.mlp = nn.Module()
        self.mlp.lin1, self.mlp.lin2 = nn.Linear(d, c["mlp_size"]), nn.Linear(c["mlp_size"], d)

    def forward(self, x):
        """`[images, grid, grid, size]`."""
        b, g, _, d = x.shape
        u = self.norm1(x)
        if self.window:
            s = self.window
            n = -(-g // s)
            u = F.pad(u, (0, 0, 0, n * s - g, 0, n * s - g))  # the padding is seen, as in SAM
            u = u.view(b, n, s, n, s, d).transpose(2, 3).reshape(b * n * n, s * s, d)
            u = self.attn(u).view(b, n, n, s, s, d).transpose(2, 3).reshape(b, n * s, n * s, d)[:, :g, :g]
        else:
            u = self.attn(u.flatten(1, 2)).view(b, g, g, d)
        x = x + u
        return x + self.mlp.lin2(F.gelu(self.mlp.lin1(self.norm2(x))))


def convolve(x, conv):
    """Channels last; a 3 x 3 convolution as one product."""
    k, s, p = conv.kernel_size[0], conv.stride[0], conv.padding[0]
    b, h, w, c = x.shape
    if k == 1:
        return F.linear(x, conv.weight[:, :, 0, 0])
    columns = F.pad(x, (0, 0, p, p, p, p)).unfold(1, k, s).unfold(2, k, s)  # [b, h', w', c, k, k]
    return F.linear(columns.flatten(3), conv.weight.flatten(1))


class VocabularyNetwork(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, p = c["width"], c["patch_size"]
        self.patch, self.side = p, c["image_size"] // p
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, d, p, p)
        self.pos_embed = nn.Parameter(torch.randn(1, self.side, self.side, d) * 0.1)
        self.blocks = nn.ModuleList(SAMBlock(c, 0 if i in c["global_blocks"] else c["window"]) for i in range(c["depth"]))
        n = c["neck"]
        self.neck = nn.ModuleList([nn.Conv2d(d, n, 1, bias=False), LayerNorm2d(n), nn.Conv2d(n, n, 3, 1, 1, bias=False), LayerNorm2d(n)])
        self.net_2 = nn.Conv2d(n, c["middle"], 3, 2, 1, bias=False)
        self.net_3 = nn.Conv2d(c["middle"], c["out"], 3, 2, 1, bias=False)
        self.register_buffer("mean", 255 * torch.tensor(CLIP_MEAN), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(CLIP_STD), persistent=False)

    def patches(self, pixels):
        """uint8 `[images, side, side, 3]` -> the blocks' output `[images, grid, grid, width]`."""
        b, s, p = pixels.shape[0], self.side, self.patch
        x = pixels.float().sub(self.mean).div(self.std)
        x = x.view(b, s, p, s, p, 3).permute(0, 1, 3, 5, 2, 4).reshape(b, s, s, 3 * p * p)
        x = F.linear(x, self.patch_embed.proj.weight.flatten(1), self.patch_embed.proj.bias) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return x

    def tokens(self, patches):
        """-> `[images, grid / 4 * grid / 4, out]`."""
        x = self.neck[1](convolve(patches, self.neck[0]))
        x = self.neck[3](convolve(x, self.neck[2]))
        return convolve(convolve(x, self.net_2), self.net_3).flatten(1, 2)


class OPTLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        self.heads = c["heads"]
        self.self_attn = nn.Module()
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            self.self_attn.add_module(name, nn.Linear(h, h))
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(h), nn.LayerNorm(h)
        self.fc1, self.fc2 = nn.Linear(h, c["ff"]), nn.Linear(c["ff"], h)

    def forward(self, x, attend):
        a, u = self.self_attn, self.self_attn_layer_norm(x)
        q, k, v = (p(u).unflatten(-1, (self.heads, -1)) for p in (a.q_proj, a.k_proj, a.v_proj))
        x = x + a.out_proj(attend(q, k, v).flatten(-2))
        return x + self.fc2(F.relu(self.fc1(self.final_layer_norm(x))))


class VaryTiny(nn.Module):
    """`state_dict()` has the checkpoint's names, but for the tied head."""

    first = 2  # position of the first image vector: </s> <img> come before it

    def __init__(self, config):
        super().__init__()
        c = self.config = {**DEFAULT, **config}
        h = c["hidden_size"]
        self.model = nn.Module()
        self.model.vision_tower_2 = VocabularyNetwork(c)
        self.model.mm_projector = nn.Linear(c["out"], h)
        d = self.model.decoder = nn.Module()
        d.embed_tokens, d.embed_positions = nn.Embedding(c["vocab_size"], h), nn.Embedding(c["max_positions"] + 2, h)
        nn.init.normal_(d.embed_tokens.weight, std=0.05)
        nn.init.normal_(d.embed_positions.weight, std=0.05)
        d.layers = nn.ModuleList(OPTLayer(c) for _ in range(c["layers"]))
        d.final_layer_norm = nn.LayerNorm(h)
        for layer in d.layers:
            layer.self_attn.out_proj.weight.data.mul_((2 * c["layers"]) ** -0.5)
            layer.fc2.weight.data.mul_((2 * c["layers"]) ** -0.5)
        # OPT has no rotary positions: a turn by nothing.
        cos, sin = rotary_tables(h // c["heads"], 1e4, c["max_positions"])
        self.register_buffer("cos", torch.ones_like(cos), persistent=False)
        self.register_buffer("sin", torch.zeros_like(sin), persistent=False)

    def see(self, pixels):
        return self.model.vision_tower_2.patches(pixels)

    def sample(self, patches):
        return self.model.mm_projector(self.model.vision_tower_2.tokens(patches))

    def placed(self, x, start):
        return x + self.model.decoder.embed_positions.weight[2 + start : 2 + start + x.shape[-2]].to(x.dtype)

    def prefix(self, vectors):
        """`</s> <img>` and the image vectors; `</img>` is the first token of what follows."""
        ids = torch.tensor([2, self.config["image_start"]], device=vectors.device)
        head = self.model.decoder.embed_tokens(ids).to(vectors.dtype).expand(vectors.shape[0], -1, -1)
        return self.placed(torch.cat([head, vectors], 1), 0)

    def decode(self, prefix, groups, watch=(), looks=None):
        d, start = self.model.decoder, prefix.shape[1]
        return decode_after_prefix(
            lambda ids: self.placed(d.embed_tokens(ids), start), d.layers, d.final_layer_norm, self.cos, self.sin, prefix, groups, watch, looks
        )

    def lm_head(self, x):
        return F.linear(x, self.model.decoder.embed_tokens.weight)


class Vary(nn.Module):
    """Stage 2. Half of each image vector comes from CLIP, half from the vocabulary network, CLIP's first."""

    def __init__(self, config):
        super().__init__()
        c = self.config = {**DEFAULT, **BASE, **config}
        h = c["hidden_size"]
        self.transformer = t = nn.Module()
        t.vision_tower = nn.Module()
        t.vision_tower.vision_model = CLIPVision(CLIP)
        t.vision_tower_high = VocabularyNetwork(c)
        t.mm_projector = nn.Linear(CLIP["vision_hidden"], h // 2)
        t.mm_projector_vary = nn.Linear(c["out"], h // 2)
        t.wte = nn.Embedding(c["vocab_size"], h)
        nn.init.normal_(t.wte.weight, std=0.5)
        t.h = nn.ModuleList(Block(c) for _ in range(c["layers"]))
        t.ln_f = RMSNorm(h, c["eps"])
        self.lm_head = nn.Linear(h, c["vocab_size"], bias=False)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        cos, sin = rotary_tables(h // c["heads"], 1e4, c["seq_length"])
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for block in t.h:
            block.attn.c_proj.weight.data.mul_((2 * c["layers"]) ** -0.5)
            block.mlp.c_proj.weight.data.mul_((2 * c["layers"]) ** -0.5)

    def see(self, pixels, small):
        """Page at its full size and as CLIP sees it -> vectors of both networks, CLIP's before its last layer; both are frozen."""
        net, clip = self.transformer.vision_tower_high, self.transformer.vision_tower.vision_model
        x = small.float().sub(net.mean).div(net.std).permute(0, 3, 1, 2)
        x = clip.pre_layrnorm(clip.embeddings(x))
        for layer in clip.encoder.layers[:-1]:
            x = layer(x)
        return x[:, 1:], net.tokens(net.patches(pixels))

    def sample(self, features, without=None):
        """`without` "clip" or "vocabulary" leaves one network's half empty (ablation)."""
        seen, tokens = features
        a, b = self.transformer.mm_projector(seen), self.transformer.mm_projector_vary(tokens)
        return torch.cat([a * (without != "clip"), b * (without != "vocabulary")], -1)

    def embed(self, ids):
        return self.transformer.wte(ids)

    def prefix(self, vectors, before):
        """The ids before the image, `<img>` last, and the image vectors; `</img>` is the first token of what follows."""
        head = self.embed(torch.tensor(before, device=vectors.device)).to(vectors.dtype).expand(vectors.shape[0], -1, -1)
        return torch.cat([head, vectors], 1)

    def decode(self, prefix, groups, watch=(), looks=None):
        t = self.transformer
        return decode_after_prefix(self.embed, t.h, t.ln_f, self.cos, self.sin, prefix, groups, watch, looks)
