# SPDX-License-Identifier: Apache-2.0
"""The reader: a HiRes-LLaVA whose tower begins with convolutions, whose sampler looks into its own cells and whose decoder shares keys and values
between heads.

Tensor names are those of the converter. Slices of 144 pixels, patches of 8: letters of 9 pixels cover more than one. A vector stands for
16 x 16 pixels: a few letters. The largest image has 2511 of them; few key and value heads of 32 keep their cache small.
"""

import math

import torch
import torch.nn.functional as F
from model import RMSNorm, SelfMiningSampler, VisionTower, fused, merge_heads, rotary_tables, rotate, split_heads
from torch import nn

from . import pages as P

DEFAULT = dict(
    image_size=P.BASE,
    patch_size=P.PATCH,
    vision_hidden=192,
    vision_intermediate=768,
    vision_layers=2,
    vision_heads=6,
    hidden_size=256,
    intermediate_size=768,
    layers=5,
    heads=8,
    kv_heads=4,
    vocab_size=0,
    rms_eps=1e-5,
    rope_theta=10000.0,
    max_positions=8192,
    max_slices=P.MOST,
    enlarge=[100],
    sra_layers=[0, 1],
    sra_heads=6,
    sms_kernel=P.KERNEL,
    sms_heads=6,
    use_sra=True,
    stem=dict(widths=[32, 64, 160], depths=[0, 2, 4]),
    stem_norms=True,
)
# What two cores of a CPU can train.
SMALL = dict(
    vision_hidden=160, vision_intermediate=480, vision_layers=1, vision_heads=5, hidden_size=192, intermediate_size=512, layers=4, heads=6,
    kv_heads=3, sra_layers=[0], sra_heads=5, sms_heads=5, stem=dict(widths=[32, 64, 128], depths=[0, 2, 3]),
)  # fmt: skip
# For tests on a CPU: learns a handful of pages in minutes.
TINY = dict(
    vision_hidden=96, vision_intermediate=256, vision_layers=1, vision_heads=3, hidden_size=128, intermediate_size=320, layers=4, heads=4,
    kv_heads=2, sra_layers=[0], sra_heads=3, sms_heads=3, stem=dict(widths=[16, 32, 64], depths=[0, 1, 1]),
)  # fmt: skip


class Convolution(nn.Conv2d):
    """3 x 3, with a batch norm behind it until that is folded into the weights."""

    def __init__(self, inputs, outputs, stride=1, normed=True, scale=1.0):
        super().__init__(inputs, outputs, 3, stride, 1)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.zeros_(self.bias)
        self.norm = nn.BatchNorm2d(outputs, momentum=0.02) if normed else None
        if normed:
            nn.init.constant_(self.norm.weight, scale)

    def forward(self, x):
        x = super().forward(x)
        return x if self.norm is None else self.norm(x)

    @torch.no_grad()
    def fold(self):
        if self.norm is None:
            return
        factor = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        self.weight.mul_(factor[:, None, None, None])
        self.bias.sub_(self.norm.running_mean).mul_(factor).add_(self.norm.bias)
        self.norm = None


class StemEmbeddings(nn.Module):
    """CLIP's embeddings with convolutions in place of the patch product (arXiv:2106.14881): a stage halves the picture and adds residual pairs."""

    def __init__(self, c):
        super().__init__()
        d, s, normed = c["vision_hidden"], c["stem"], c["stem_norms"]
        self.grid = c["image_size"] // c["patch_size"]
        self.stem, before = nn.ModuleList(), 3
        for width, depth in zip(s["widths"], s["depths"]):
            stage = nn.Module()
            stage.halve = Convolution(before, width, 2, normed)
            stage.pairs = nn.ModuleList(
                nn.ModuleDict({"first": Convolution(width, width, 1, normed), "second": Convolution(width, width, 1, normed, 0.2)})
                for _ in range(depth)
            )
            self.stem.append(stage)
            before = width
        self.patch_embedding = nn.Linear(before, d)
        self.class_embedding = nn.Parameter(torch.randn(d) * 0.02)
        self.position_embedding = nn.Embedding(1 + self.grid**2, d)
        nn.init.normal_(self.position_embedding.weight, std=0.02)
        # Waves of row and column along a few directions: what reads letters alone does not learn to say where they stand.
        at = 2 * math.pi * (torch.arange(self.grid) + 0.5) / self.grid
        waves = torch.cat([wave(k * at)[:, None] for k in (0.5, 1, 2, 3) for wave in (torch.sin, torch.cos)], 1)
        places = torch.cat([waves.repeat_interleave(self.grid, 0), waves.repeat(self.grid, 1)], 1)
        self.position_embedding.weight.data[1:] += 1.5 * places @ torch.randn(places.shape[1], d) / d**0.5
        self.stem.to(memory_format=torch.channels_last)
        self.seen = None  # what the convolutions gave last, for an auxiliary head
        self.learning = None  # [views]: the convolutions learn from these alone

    def convolved(self, x):
        for stage in self.stem:
            x = F.relu(stage.halve(x))
            for pair in stage.pairs:
                x = F.relu(x + pair["second"](F.relu(pair["first"](x))))
        return x

    def forward(self, x):
        x = x.contiguous(memory_format=torch.channels_last)
        if self.learning is None or not torch.is_grad_enabled():
            x = self.convolved(x)
        else:
            with torch.no_grad():
                resting = self.convolved(x[~self.learning])
            order = torch.cat([self.learning.nonzero(), (~self.learning).nonzero()]).flatten().argsort()
            x = torch.cat([self.convolved(x[self.learning]), resting])[order].contiguous(memory_format=torch.channels_last)
        self.seen = self.patch_embedding(x.permute(0, 2, 3, 1).flatten(1, 2))
        cls = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        return torch.cat([cls, self.seen], 1) + self.position_embedding.weight


class LocalSampler(SelfMiningSampler):
    """Each token attends to the patches of its own cell."""

    def forward(self, p):
        n, _, d = p.shape
        g, s = self.grid, self.kernel
        cells = p.view(n, g // s, s, g // s, s, d).transpose(2, 3).reshape(n * (g // s) ** 2, s * s, d)
        pooled = cells.mean(1, keepdim=True)
        u, memory, a = self.ln_q(pooled), self.ln_kv(cells), self.attn
        q, k, v = (t.unflatten(-1, (a.heads, -1)) for t in (a.q_proj(u), a.k_proj(memory), a.v_proj(memory)))
        # Sums of four products, for which matrix products are slow; the fused function takes no more than 65535 problems on a GPU.
        share = torch.softmax((q * k).sum(-1).float() * q.shape[-1] ** -0.5, 1).to(v.dtype)  # [cells, patches, heads]
        z = pooled + a.o_proj((share[..., None] * v).sum(1, keepdim=True).flatten(-2))
        return self.mlp(self.ln_o(z)).view(n, (g // s) ** 2, -1)


class Layer(nn.Module):
    """A block of LLaMA with grouped keys and values."""

    def __init__(self, c):
        super().__init__()
        h, f = c["hidden_size"], c["intermediate_size"]
        self.heads, self.kv_heads = c["heads"], c["kv_heads"]
        kv = h // self.heads * self.kv_heads
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(h, c["rms_eps"]), RMSNorm(h, c["rms_eps"])
        self.self_attn, self.mlp = nn.Module(), nn.Module()
        for name, size in (("q_proj", h), ("k_proj", kv), ("v_proj", kv)):
            self.self_attn.add_module(name, nn.Linear(h, size, bias=False))
        self.self_attn.o_proj = nn.Linear(h, h, bias=False)
        self.mlp.gate_proj, self.mlp.up_proj = nn.Linear(h, f, bias=False), nn.Linear(h, f, bias=False)
        self.mlp.down_proj = nn.Linear(f, h, bias=False)

    def forward(self, x, cos, sin, cache=None):
        """x `[B, T, H]`; cos, sin `[T, 1, headSize / 2]`. Without a cache causal over T, else one more token after the cache's.
        Returns the states, and queries and keys `[B, heads, T, headSize]` for those who watch."""
        a, m = self.self_attn, self.mlp
        u = self.input_layernorm(x)
        q, k, v = split_heads(a.q_proj(u), self.heads), split_heads(a.k_proj(u), self.kv_heads), split_heads(a.v_proj(u), self.kv_heads)
        cos, sin = cos.transpose(0, 1).to(q.dtype), sin.transpose(0, 1).to(q.dtype)  # [1, T, size]
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        times = self.heads // self.kv_heads
        wide_k, wide_v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
        z = fused(q, wide_k, wide_v, q.shape[2] == k.shape[2])
        x = x + a.o_proj(merge_heads(z))
        u = self.post_attention_layernorm(x)
        return x + m.down_proj(F.silu(m.gate_proj(u)) * m.up_proj(u)), q, wide_k


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        self.vision_tower = VisionTower(c)
        self.clip.embeddings = StemEmbeddings(c)
        self.mm_projector = LocalSampler(c)
        self.image_sep = nn.ParameterDict({k: nn.Parameter(torch.randn(h) * 0.5) for k in ("global", "slice", "row")})
        self.embed_tokens = nn.Embedding(c["vocab_size"], h)
        nn.init.normal_(self.embed_tokens.weight, std=0.5)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["layers"]))
        self.norm = RMSNorm(h, c["rms_eps"])

    @property
    def clip(self):
        return self.vision_tower.vision_tower.vision_model


class Reader(nn.Module):
    """The whole system. `state_dict()` has the checkpoint's names once it is folded."""

    def __init__(self, config):
        super().__init__()
        c = self.config = {**DEFAULT, **config}
        self.model = Model(c)
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        cos, sin = rotary_tables(c["hidden_size"] // c["heads"], c["rope_theta"], c["max_positions"])
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for layer in self.model.layers:
            layer.self_attn.o_proj.weight.data.mul_((2 * c["layers"]) ** -0.5)
            layer.mlp.down_proj.weight.data.mul_((2 * c["layers"]) ** -0.5)

    def fold(self):
        """Without the norms of the convolutions, which become part of their weights."""
        for module in self.modules():
            if isinstance(module, Convolution):
                module.fold()
        self.config["stem_norms"] = False
        return self

    def see(self, pixels, rows, columns):
        """Patch features `[images, views, patches, size]`."""
        return self.model.vision_tower(pixels, rows, columns)

    def sample(self, patches):
        """`[images, views, tokens, hiddenSize]`."""
        b, v = patches.shape[:2]
        return self.model.mm_projector(patches.flatten(0, 1)).unflatten(0, (b, v))

    def prefix(self, vectors, columns, before):
        """Embeddings of the ids `before`, then the image block: every view's vectors and its separator."""
        b, views, t, h = vectors.shape
        sep = self.model.image_sep
        kinds = ["global"] + ["row" if i % columns == columns - 1 else "slice" for i in range(views - 1)]
        marks = torch.stack([sep[k] for k in kinds]).to(vectors.dtype)[None, :, None].expand(b, -1, -1, -1)
        block = torch.cat([vectors, marks], 2).flatten(1, 2)
        head = self.model.embed_tokens(torch.tensor(before, dtype=torch.long, device=block.device)).to(block.dtype).expand(b, -1, -1)
        return torch.cat([head, block], 1)

    def decode(self, x, watch=()):
        """All positions at once: final states `[B, T, H]`, and (queries, keys, states after it) of the layers in `watch`."""
        watched, cos, sin = {}, self.cos[: x.shape[1]], self.sin[: x.shape[1]]
        for i, layer in enumerate(self.model.layers):
            x, q, k = layer(x, cos, sin)
            if i in watch:
                watched[i] = (q, k, x)
        return self.model.norm(x), watched

    @torch.no_grad()
    def generate(self, pixels, grid, before, head, end, most, order):
        """Greedy answers (lists of ids) to one question, the same for all images of this grid. order: a `ReadingOrder`."""
        x = self.prefix(self.sample(self.see(pixels, *grid)), grid[1], before)
        ids = torch.tensor(head, device=x.device).expand(x.shape[0], -1)
        x = torch.cat([x, self.model.embed_tokens(ids).to(x.dtype)], 1)
        caches, at, out = [[] for _ in self.model.layers], 0, []
        done = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
        most = min(most, self.config["max_positions"] - x.shape[1])
        for _ in range(most):
            cos, sin = self.cos[at : at + x.shape[1]], self.sin[at : at + x.shape[1]]
            at += x.shape[1]
            for layer, cache in zip(self.model.layers, caches):
                x, _, _ = layer(x, cos, sin, cache)
            token = order.process(self.lm_head(self.model.norm(x[:, -1]))).argmax(-1)
            order.accept(token)
            out.append(torch.where(done, end, token))
            done |= token == end
            if bool(done.all()):
                break
            x = self.model.embed_tokens(token)[:, None].to(x.dtype)
        rows = torch.stack(out, 1).tolist()
        return [r[: r.index(end)] if end in r else r for r in rows]


class Heads(nn.Module):
    """Auxiliary heads: dense labels at patches and at image vectors. Dropped afterwards."""

    def __init__(self, c):
        super().__init__()
        from .stock import NO_CHARACTER

        d, h, n = c["vision_hidden"], c["hidden_size"], NO_CHARACTER + 1
        self.early = nn.Linear(d, n)
        self.character, self.index = nn.Linear(d, n), nn.Linear(d, P.NO_INDEX + 1)
        self.cell, self.within = nn.Linear(h, 2), nn.Linear(h, P.FINE * P.SLOTS_Y)
        self.slots, self.ends = nn.Linear(h, P.FINE * P.SLOTS_Y * n), nn.Linear(h, 2)
        self.at = nn.Linear(h, 2 * P.CELLS)
        self.none = NO_CHARACTER

    def cells(self, states, rows, columns):
        """The decoder's states at the image block after an early layer; where it says that each slice's vector is on the page, and where that
        is: `[images, slices, vectors, 2]` and `[slices, vectors, 2]`, row and column in 16ths of cells from the top left."""
        side, n = P.CELLS, P.CELLS**2
        at = torch.arange(n, device=states.device)
        within = torch.stack([at // side, at % side], -1)
        slices = torch.arange(rows * columns, device=states.device)
        corner = side * torch.stack([slices // columns, slices % columns], -1)
        states = states.unflatten(1, (1 + rows * columns, n + 1))[:, 1:, :n]
        return self.cell(states).float(), (corner[:, None] + within).float() / 16

    def placed(self, states, rows, columns):
        """Their loss. Without it the decoder learns late how slices lie side by side."""
        said, target = self.cells(states, rows, columns)
        return F.smooth_l1_loss(said, target.expand_as(said), beta=0.05)

    def forward(self, patches, vectors, patch, token, early=None):
        """Features and labels of the slices (without the whole view), and what the convolutions gave; the loss and {name: share right}."""
        patch, token = patch.long(), token.long()
        total, seen = 0.0, {}
        labels = [("slots", vectors, token[..., :-2], self.none, 1.0)]
        if patches.requires_grad:
            labels += [("character", patches, patch[..., 0], self.none, 1.0), ("index", patches, patch[..., 1], P.NO_INDEX, 0.3)]
        if early is not None:
            labels.append(("early", early, patch[..., 0], self.none, 0.5))
        for name, x, target, none, share in labels:
            # Empty places say little and are most of them: a part is enough.
            full = target != none
            if name == "slots":
                keep = full.any(-1) | (torch.rand(full.shape[:-1], device=full.device) < 0.1)
                logits = self.slots(x[keep]).unflatten(-1, (target.shape[-1], -1)).flatten(0, 1)
                target, full = target[keep].flatten(), full[keep].flatten()
            else:
                keep = full | (torch.rand(full.shape, device=full.device) < 0.1)
                logits, target, full = getattr(self, name)(x[keep]), target[keep], full[keep]
            loss = F.cross_entropy(logits.float(), target, reduction="none")
            weight = torch.where(full, 1.0, 0.3)
            total = total + share * (loss * weight).sum() / weight.sum().clamp(min=1)
            seen[name] = ((logits.argmax(-1) == target) & full).sum() / full.sum().clamp(min=1)
        # A tower that reads letters alone forgets where they stand: row and column in the slice.
        cells = torch.arange(P.CELLS**2, device=vectors.device)
        place = torch.stack([cells // P.CELLS, cells % P.CELLS], -1).expand(*vectors.shape[:2], -1, -1).flatten()
        logits = self.at(vectors).unflatten(-1, (2, -1)).flatten(0, -2)
        total, seen["at"] = total + 0.3 * F.cross_entropy(logits.float(), place), (logits.argmax(-1) == place).float().mean()
        bits = token[..., -2:].float()
        total = total + 0.3 * F.binary_cross_entropy_with_logits(self.ends(vectors).float(), bits, pos_weight=bits.new_tensor(4.0))
        return total, seen
