# SPDX-License-Identifier: Apache-2.0
"""HiRes-LLaVA (arXiv:2407.08706) in PyTorch, with the tensor names of Fovea's converter.

CLIP vision transformer with SliceRestore adapters, Self-Mining Sampler, learned separators, LLaMA decoder. Written to train
fast on a CPU: plain softmax attention (faster than SDPA there in bfloat16), and the image prefix of a sample is computed
once for all its questions.
"""

import torch
import torch.nn.functional as F
from slicing import CLIP_MEAN, CLIP_STD
from torch import nn

DEFAULT = dict(
    image_size=96,
    patch_size=8,
    vision_hidden=128,
    vision_intermediate=512,
    vision_layers=5,
    vision_heads=4,
    hidden_size=192,
    intermediate_size=448,
    layers=5,
    heads=6,
    vocab_size=0,
    rms_eps=1e-5,
    rope_theta=10000.0,
    max_positions=2048,
    max_slices=9,
    sra_layers=[1, 2, 3, 4],
    sra_heads=4,
    sms_kernel=2,
    sms_heads=4,
    use_sra=True,
)


def fused(q, k, v, causal=False):
    """Attention in one function, on a CPU in float32."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=causal).to(q.dtype)


def attention(q, k, v, mask=None):
    """q, k, v `[..., tokens, headSize]`; mask is added to the scores. (The fused function is slow in bfloat16 on a CPU: with matrix units
    it is written out, without them computed in float32.)"""
    if mask is None and (q.is_cuda or q.dtype == torch.float32 or not torch.cpu._is_amx_tile_supported()):
        return fused(q, k, v)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, -1) @ v


def split_heads(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(-2, -3)


def merge_heads(x):
    return x.transpose(-2, -3).flatten(-2)


class Attention(nn.Module):
    """Bidirectional multi-head attention with biases; `out` names the output projection (CLIP: out_proj, ours: o_proj)."""

    def __init__(self, size, heads, out):
        super().__init__()
        self.heads, self.out = heads, out
        for name in ("q_proj", "k_proj", "v_proj", out):
            self.add_module(name, nn.Linear(size, size))

    def forward(self, x):
        weight = torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight])
        bias = torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias])
        q, k, v = F.linear(x, weight, bias).chunk(3, -1)
        return self.project(attention(*(split_heads(t, self.heads) for t in (q, k, v))))

    def cross(self, x, memory):
        weight, bias = torch.cat([self.k_proj.weight, self.v_proj.weight]), torch.cat([self.k_proj.bias, self.v_proj.bias])
        k, v = F.linear(memory, weight, bias).chunk(2, -1)
        return self.project(attention(*(split_heads(t, self.heads) for t in (self.q_proj(x), k, v))))

    def project(self, heads):
        return getattr(self, self.out)(merge_heads(heads))


class CLIPMLP(nn.Module):
    """Trained with SiLU; `export.py` folds it into CLIP's quick_gelu: silu(z) = 1.702 quick_gelu(z / 1.702)."""

    quick = False  # a loaded checkpoint uses quick_gelu

    def __init__(self, size, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, x):
        z = self.fc1(x)
        return self.fc2(z * torch.sigmoid(1.702 * z) if self.quick else F.silu(z))


class CLIPLayer(nn.Module):
    def __init__(self, size, inner, heads):
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.self_attn = Attention(size, heads, "out_proj")
        self.mlp = CLIPMLP(size, inner)

    def forward(self, x, restore=None):
        u = self.layer_norm1(x)
        x = x + self.self_attn(u)
        if restore is not None:
            x = x + restore(u)
        return x + self.mlp(self.layer_norm2(x))


class CLIPEmbeddings(nn.Module):
    def __init__(self, size, image_size, patch_size):
        super().__init__()
        self.patch_size, self.grid = patch_size, image_size // patch_size
        self.class_embedding = nn.Parameter(torch.randn(size) * 0.02)
        self.patch_embedding = nn.Conv2d(3, size, patch_size, patch_size, bias=False)
        self.position_embedding = nn.Embedding(1 + self.grid**2, size)
        nn.init.normal_(self.position_embedding.weight, std=0.3)

    def forward(self, x):
        n, g, p = x.shape[0], self.grid, self.patch_size
        x = x.view(n, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(n, g * g, 3 * p * p)
        x = F.linear(x, self.patch_embedding.weight.flatten(1))
        cls = self.class_embedding.to(x.dtype).expand(n, 1, -1)
        return torch.cat([cls, x], 1) + self.position_embedding.weight


class CLIPVision(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["vision_hidden"]
        self.embeddings = CLIPEmbeddings(d, c["image_size"], c["patch_size"])
        self.pre_layrnorm = nn.LayerNorm(d)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(CLIPLayer(d, c["vision_intermediate"], c["vision_heads"]) for _ in range(c["vision_layers"]))
        self.post_layernorm = nn.LayerNorm(d)  # part of CLIP's checkpoint layout, not used for features


class SliceRestore(nn.Module):
    """Adapter that sees all slices as one map: depth-wise 3x3 convolution plus attention on the map pooled to one slice."""

    def __init__(self, size, heads, grid):
        super().__init__()
        self.grid = grid
        self.local = nn.Conv2d(size, size, 3, padding=1, groups=size)
        self.attn = Attention(size, heads, "o_proj")
        nn.init.zeros_(self.local.weight)
        nn.init.zeros_(self.local.bias)
        nn.init.zeros_(self.attn.o_proj.weight)
        nn.init.zeros_(self.attn.o_proj.bias)
        self.maps = {}

    def interpolation(self, times, like):
        """Bilinear enlargement (align_corners=False) as a matrix `[times * grid, grid]`."""
        if times not in self.maps:
            eye = torch.eye(self.grid, dtype=torch.float32)[None]
            self.maps[times] = F.interpolate(eye, size=times * self.grid, mode="linear", align_corners=False)[0].T
        return self.maps[times].to(like)

    def forward(self, u, rows, cols):
        """u `[images, rows * cols, grid * grid, size]` -> same shape."""
        b, g, d = u.shape[0], self.grid, u.shape[-1]
        merged = u.view(b, rows, cols, g, g, d).transpose(2, 3).reshape(b, rows * g, cols * g, d)
        local = self.local(merged.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        pooled = merged.view(b, g, rows, g, cols, d).mean((2, 4)) if rows * cols > 1 else merged
        context = self.attn(pooled.reshape(b, g * g, d)).view(b, g, g, d)
        if rows > 1:
            context = torch.einsum("hg,bgwd->bhwd", self.interpolation(rows, context), context)
        if cols > 1:
            context = torch.einsum("wg,bhgd->bhwd", self.interpolation(cols, context), context)
        out = (local + context).view(b, rows, g, cols, g, d).transpose(2, 3)
        return out.reshape(b, rows * cols, g * g, d)


class VisionTower(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config, self.grid = c, c["image_size"] // c["patch_size"]
        self.vision_tower = nn.Module()
        self.vision_tower.vision_model = CLIPVision(c)
        self.sra = nn.ModuleDict(
            {str(i): SliceRestore(c["vision_hidden"], c["sra_heads"], self.grid) for i in (c["sra_layers"] if c["use_sra"] else [])}
        )
        self.register_buffer("mean", 255 * torch.tensor(CLIP_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(CLIP_STD).view(3, 1, 1), persistent=False)

    def forward(self, pixels, rows, cols):
        """pixels uint8 `[images, 1 + rows * cols, side, side, 3]` -> `[images, 1 + rows * cols, patches, size]`; or both without the
        low-resolution view."""
        b, views = pixels.shape[:2]
        low = views - rows * cols
        x = pixels.flatten(0, 1).permute(0, 3, 1, 2).float().sub(self.mean).div(self.std)
        clip = self.vision_tower.vision_model
        x = clip.pre_layrnorm(clip.embeddings(x))
        for i, layer in enumerate(clip.encoder.layers):
            adapter = self.sra[str(i)] if str(i) in self.sra else None

            def restore(u):  # the class token and the low-resolution view pass unchanged
                u = u.unflatten(0, (b, views))
                return F.pad(adapter(u[:, low:, 1:], rows, cols), (0, 0, 1, 0, low, 0)).flatten(0, 1)

            x = layer(x, restore if adapter is not None else None)
        return x[:, 1:].unflatten(0, (b, views))


class SelfMiningSampler(nn.Module):
    """Pooled patches ask the patches of their own view (section 3.3), then an MLP goes to the decoder's width."""

    def __init__(self, c):
        super().__init__()
        d, h = c["vision_hidden"], c["hidden_size"]
        self.grid, self.kernel = c["image_size"] // c["patch_size"], c["sms_kernel"]
        self.ln_q, self.ln_kv, self.ln_o = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = Attention(d, c["sms_heads"], "o_proj")
        self.mlp = nn.Sequential(nn.Linear(d, h), nn.GELU(), nn.Linear(h, h))

    def forward(self, p):
        """p `[views, patches, size]` -> `[views, tokens, hiddenSize]`."""
        n, _, d = p.shape
        g, s = self.grid, self.kernel
        pooled = p.view(n, g // s, s, g // s, s, d).mean((2, 4)).flatten(1, 2)
        z = pooled + self.attn.cross(self.ln_q(pooled), self.ln_kv(p))
        return self.mlp(self.ln_o(z))


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps).to(x.dtype)


def rotate(x, cos, sin):
    """RoPE, half-split form. x `[..., tokens, heads, headSize]`, cos and sin `[tokens, 1, headSize / 2]`."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rotary_tables(size, theta, positions):
    """Cosines and sines `[positions, 1, size / 2]`."""
    angles = torch.arange(positions).float()[:, None] * theta ** (-torch.arange(0, size, 2).float() / size)
    return angles.cos()[:, None], angles.sin()[:, None]


def decode_after_prefix(embed, layers, norm, cos_table, sin_table, prefix, groups, watch=(), looks=None):
    """Runs a decoder over a shared prefix and groups of questions.

    `layers` are called with the states and an attention function, and hand it q, k and v; `embed` and `norm` stand before and
    after them; the tables hold the rotary cosines and sines of every position.

    prefix `[B, P, H]`; groups: list of ids `[B, Q, L]` (padding anywhere after the end is harmless: attention is causal).
    Each question sees the prefix and itself, with positions going on from P, exactly as if it stood alone.
    Returns the final normalised hidden states of each group `[B, Q, L, H]`, and for each layer in `watch` the prefix
    hidden states and the groups' after that layer. `looks` maps a layer to a token index `[B, Q]` for each group, or to None for
    all tokens: under ("looks", layer) it then says for each group how these tokens' attention in that layer falls on the prefix,
    `[B, heads, Q, P]` or `[B, heads, Q, L, P]`.
    """
    b, p, h = prefix.shape
    shapes = [g.shape for g in groups]
    flat = [prefix.flatten(0, 1)] + [embed(g).to(prefix.dtype).flatten(0, 2) for g in groups]
    sizes = [f.shape[0] for f in flat]
    x = torch.cat(flat)
    longest = max([s[2] for s in shapes], default=0)
    cos, sin = cos_table[: p + longest], sin_table[: p + longest]

    def causal(n):
        return torch.full((n, n), float("-inf"), device=prefix.device).triu(1)

    masks = [causal(p)] + [causal(s[2]) for s in shapes]

    def attend(q, k, v):
        cs, ss = cos.to(q.dtype), sin.to(q.dtype)
        qs, ks, vs = q.split(sizes), k.split(sizes), v.split(sizes)
        q0, k0, v0 = (t.unflatten(0, (b, p)) for t in (qs[0], ks[0], vs[0]))
        q0, k0 = rotate(q0, cs[:p], ss[:p]), rotate(k0, cs[:p], ss[:p])
        q0, k0, v0 = (t.transpose(1, 2) for t in (q0, k0, v0))  # [B, heads, P, size]
        outs = [attention(q0, k0, v0, masks[0].to(q.dtype)).transpose(1, 2).flatten(0, 1)]
        for i, (_, count, length) in enumerate(shapes):
            c1, s1 = cs[p : p + length], ss[p : p + length]
            qi, ki, vi = (t.unflatten(0, (b, count, length)) for t in (qs[i + 1], ks[i + 1], vs[i + 1]))
            qi, ki = rotate(qi, c1, s1) * qi.shape[-1] ** -0.5, rotate(ki, c1, s1)
            qi, ki, vi = (t.permute(0, 3, 1, 2, 4) for t in (qi, ki, vi))  # [B, heads, Q, L, size]
            far = (qi.flatten(2, 3) @ k0.transpose(-1, -2)).unflatten(2, (count, length))
            near = qi @ ki.transpose(-1, -2) + masks[i + 1].to(q.dtype)
            weights = torch.softmax(torch.cat([far, near], -1), -1)
            if looks and layer_index in looks:
                seen = weights[..., :p]
                if looks[layer_index] is not None:
                    at = looks[layer_index][i][:, None, :, None, None].expand(-1, weights.shape[1], -1, 1, p)
                    seen = seen.gather(3, at)[:, :, :, 0]
                watched.setdefault(("looks", layer_index), []).append(seen)
            far, near = weights.split([p, length], -1)
            out = (far.flatten(2, 3) @ v0).unflatten(2, (count, length)) + near @ vi
            outs.append(out.permute(0, 2, 3, 1, 4).flatten(0, 2))
        return torch.cat(outs)

    watched = {}
    for layer_index, layer in enumerate(layers):
        x = layer(x, attend)
        if layer_index in watch:
            parts = x.split(sizes)
            watched[layer_index] = (parts[0].unflatten(0, (b, p)), [t.unflatten(0, s) for t, s in zip(parts[1:], shapes)])
    parts = x.split(sizes)[1:]
    return [norm(t).unflatten(0, s) for t, s in zip(parts, shapes)], watched


class LlamaLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, f = c["hidden_size"], c["intermediate_size"]
        self.heads = c["heads"]
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(h, c["rms_eps"]), RMSNorm(h, c["rms_eps"])
        self.self_attn = nn.Module()
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            self.self_attn.add_module(name, nn.Linear(h, h, bias=False))
        self.mlp = nn.Module()
        self.mlp.gate_proj, self.mlp.up_proj = nn.Linear(h, f, bias=False), nn.Linear(h, f, bias=False)
        self.mlp.down_proj = nn.Linear(f, h, bias=False)

    def forward(self, x, attend):
        a, m = self.self_attn, self.mlp
        u = self.input_layernorm(x)
        qkv = F.linear(u, torch.cat([a.q_proj.weight, a.k_proj.weight, a.v_proj.weight])).unflatten(-1, (3, self.heads, -1))
        x = x + a.o_proj(attend(*qkv.unbind(-3)).flatten(-2))
        gate, up = F.linear(self.post_attention_layernorm(x), torch.cat([m.gate_proj.weight, m.up_proj.weight])).chunk(2, -1)
        return x + m.down_proj(F.silu(gate) * up)


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        self.vision_tower = VisionTower(c)
        self.mm_projector = SelfMiningSampler(c)
        self.image_sep = nn.ParameterDict({k: nn.Parameter(torch.randn(h) * 0.5) for k in ("global", "slice", "row")})
        self.embed_tokens = nn.Embedding(c["vocab_size"], h)
        nn.init.normal_(self.embed_tokens.weight, std=0.5)
        self.layers = nn.ModuleList(LlamaLayer(c) for _ in range(c["layers"]))
        self.norm = RMSNorm(h, c["rms_eps"])


class HiResLlava(nn.Module):
    """The whole system. `state_dict()` has the checkpoint's names."""

    def __init__(self, config):
        super().__init__()
        self.config = {**DEFAULT, **config}
        self.model = Model(self.config)
        self.lm_head = nn.Linear(self.config["hidden_size"], self.config["vocab_size"], bias=False)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        size = self.config["hidden_size"] // self.config["heads"]
        cos, sin = rotary_tables(size, self.config["rope_theta"], self.config["max_positions"])
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        depth = (2 * self.config["layers"]) ** -0.5
        for layer in self.model.layers:
            layer.self_attn.o_proj.weight.data.mul_(depth)
            layer.mlp.down_proj.weight.data.mul_(depth)

    def see(self, pixels, rows, cols):
        """Patch features `[images, views, patches, size]`."""
        return self.model.vision_tower(pixels, rows, cols)

    def sample(self, patches):
        """Sampler tokens `[images, views, tokens, hiddenSize]`."""
        b, v = patches.shape[:2]
        return self.model.mm_projector(patches.flatten(0, 1)).unflatten(0, (b, v))

    def image_block(self, tokens, rows, cols):
        """[low] GLOBAL [s00] SLICE [s01] ... ROW [s10] ... ROW; also the sequence index of each view's first token."""
        b, _, t, h = tokens.shape
        sep = {k: v.to(tokens.dtype).expand(b, 1, h) for k, v in self.model.image_sep.items()}
        parts, starts, length = [tokens[:, 0], sep["global"]], [0], t + 1
        for r in range(rows):
            for c in range(cols):
                parts += [tokens[:, 1 + r * cols + c], sep["row" if c == cols - 1 else "slice"]]
                starts.append(length)
                length += t + 1
        return torch.cat(parts, 1), starts

    def prefix(self, tokens, rows, cols, before, after):
        """Embeddings of `before` ids, the image block, `after` ids. `[images, length, hiddenSize]`"""
        block, starts = self.image_block(tokens, rows, cols)
        b = block.shape[0]

        def embed(ids):
            return self.model.embed_tokens(torch.tensor(ids, device=block.device)).to(block.dtype).expand(b, -1, -1)

        return torch.cat([embed(before), block, embed(after)], 1), [s + len(before) for s in starts]

    def norm_logits(self, x):
        return self.lm_head(self.model.norm(x))

    def decode(self, prefix, groups, watch=(), looks=None):
        m = self.model
        return decode_after_prefix(m.embed_tokens, m.layers, m.norm, self.cos, self.sin, prefix, groups, watch, looks)
