# SPDX-License-Identifier: Apache-2.0
"""Monkey in PyTorch, from its description: Qwen-VL's tower with adapters per tile, the resampler, and a Qwen v1 decoder.

Functions over a dictionary of tensors with the published names; plain loops, no cache, single precision.
"""

import math

import images
import torch
import torch.nn.functional as F
from PIL import Image


def shapes(config):
    """Every tensor of a checkpoint with this config."""
    h, f, n = config["hidden_size"], config["intermediate_size"] // 2, config["kv_channels"] * config["num_attention_heads"]
    s = {"transformer.wte.weight": (config["vocab_size"], h), "lm_head.weight": (config["vocab_size"], h), "transformer.ln_f.weight": (h,)}
    for i in range(config["num_hidden_layers"]):
        p = f"transformer.h.{i}."
        s |= {
            p + "ln_1.weight": (h,),
            p + "ln_2.weight": (h,),
            p + "attn.c_attn.weight": (3 * n, h),
            p + "attn.c_attn.bias": (3 * n,),
            p + "attn.c_proj.weight": (h, n),
            p + "mlp.w1.weight": (f, h),
            p + "mlp.w2.weight": (f, h),
            p + "mlp.c_proj.weight": (h, f),
        }
    return s | visual_shapes(config["visual"])


def visual_shapes(v):
    w, d, m = v["width"], v["output_dim"], int(v["width"] * v["mlp_ratio"])
    p = "transformer.visual."
    s = {
        p + "conv1.weight": (w, 3, v["patch_size"], v["patch_size"]),
        p + "positional_embedding": (v.get("position_rows", 256), w),
        p + "proj": (d, d),
    }
    norms = {"ln_pre": w, "ln_post": d, "attn_pool.ln_q": d, "attn_pool.ln_kv": d}
    for i in range(v["layers"]):
        b = f"transformer.resblocks.{i}."
        norms |= {b + "ln_1": w, b + "ln_2": w}
        for name, out, inputs in (("attn.in_proj", 3 * w, w), ("attn.out_proj", w, w), ("mlp.c_fc", m, w), ("mlp.c_proj", w, m)):
            s |= {f"{p}{b}{name}.weight": (out, inputs), f"{p}{b}{name}.bias": (out,)}
        for k in range(v["lora_repeat_num"]):
            for name, out, rank in (("attn.in_proj_lora", 3 * w, 16), ("attn.out_proj_lora", w, 16), ("mlp_lora", w, 32)):
                side = f"{p}{b}{name}.{k}."
                s |= {side + "lora_a.weight": (rank, w), side + "lora_b.weight": (out, rank), side + "lora_scale": (1,)}
    for name, size in norms.items():
        s |= {f"{p}{name}.weight": (size,), f"{p}{name}.bias": (size,)}
    q = v.get("n_queries", 256)
    s |= {
        p + "attn_pool.pos_embed": (q, d),
        p + "attn_pool.query": (q, d),
        p + "attn_pool.attn.in_proj_weight": (3 * d, d),
        p + "attn_pool.attn.in_proj_bias": (3 * d,),
        p + "attn_pool.attn.out_proj.weight": (d, d),
        p + "attn_pool.attn.out_proj.bias": (d,),
    }
    if w != d:
        s[p + "attn_pool.kv_proj.weight"] = (d, w)
    return s


def cubic(table, side, grid):
    """A square table of positions on another square."""
    if side == grid:
        return table
    map = table.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    return F.interpolate(map, (grid, grid), mode="bicubic", align_corners=False).permute(0, 2, 3, 1).reshape(grid * grid, -1)


def scope(w, prefix):
    return {n.removeprefix(prefix): t for n, t in w.items() if n.startswith(prefix)}


def norm(x, w, name, eps=1e-6):
    return F.layer_norm(x, (x.shape[-1],), w[name + ".weight"], w[name + ".bias"], eps)


def side_product(x, w, name):
    return w[name + ".lora_scale"] * F.linear(F.linear(x, w[name + ".lora_a.weight"]), w[name + ".lora_b.weight"])


def block(x, w, heads, k):
    """One block for one view; k: its adapter set, None: no adapters."""
    h = norm(x, w, "ln_1")
    m = F.linear(h, w["attn.in_proj.weight"], w["attn.in_proj.bias"])
    if k is not None:
        m = m + side_product(h, w, f"attn.in_proj_lora.{k}")
    q, key, v = m.reshape(len(x), heads, 3, -1).permute(2, 1, 0, 3)  # head by head, q, k and v of a head together
    a = torch.softmax(q / math.sqrt(q.shape[-1]) @ key.transpose(1, 2), -1) @ v
    a = a.permute(1, 0, 2).reshape(len(x), -1)
    o = F.linear(a, w["attn.out_proj.weight"], w["attn.out_proj.bias"])
    if k is not None:
        o = o + side_product(a, w, f"attn.out_proj_lora.{k}")
    y = x + o
    h = F.gelu(F.linear(norm(y, w, "ln_2"), w["mlp.c_fc.weight"], w["mlp.c_fc.bias"]))
    out = y + F.linear(h, w["mlp.c_proj.weight"], w["mlp.c_proj.bias"])
    return out + side_product(y, w, f"mlp_lora.{k}") if k is not None else out


def embed_patches(pixels, w, patch):
    """[3, side, side] -> [patches, width], positions and first norm included."""
    x = F.conv2d(pixels[None], w["conv1.weight"], stride=patch)[0]
    grid = x.shape[-1]
    x = x.flatten(1).T + cubic(w["positional_embedding"], math.isqrt(len(w["positional_embedding"])), grid)
    return norm(x, w, "ln_pre")


def tower(pixels, w, visual, k):
    x = embed_patches(pixels, w, visual["patch_size"])
    for i in range(visual["layers"]):
        x = block(x, scope(w, f"transformer.resblocks.{i}."), visual["heads"], k)
    return x


def resample(x, w, visual):
    """[patches, width] -> [queries, output_dim], ln_post and proj included."""
    pool = scope(w, "attn_pool.")
    kv = F.linear(x, pool["kv_proj.weight"]) if "kv_proj.weight" in pool else x
    kv = norm(kv, pool, "ln_kv")
    side, grid = math.isqrt(len(pool["query"])), math.isqrt(len(x))
    inputs = (norm(pool["query"], pool, "ln_q") + pool["pos_embed"], kv + cubic(pool["pos_embed"], side, grid), kv)
    heads = visual.get("resampler_heads", visual["output_dim"] // 128)
    weights, biases = pool["attn.in_proj_weight"].chunk(3), pool["attn.in_proj_bias"].chunk(3)
    q, k, v = (F.linear(t, m, b).reshape(len(t), heads, -1).transpose(0, 1) for t, m, b in zip(inputs, weights, biases))
    z = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), -1) @ v
    z = F.linear(z.transpose(0, 1).reshape(len(inputs[0]), -1), pool["attn.out_proj.weight"], pool["attn.out_proj.bias"])
    return norm(z, w, "ln_post") @ w["proj"]


def canvas_size(visual):
    size = visual["image_size"]
    return tuple(size) if isinstance(size, list) else (size, size)  # height, width


def canvas(image, visual):
    """The image stretched over all tiles: [3, height, width]."""
    height, width = canvas_size(visual)
    return torch.from_numpy(images.normalise(image.convert("RGB").resize((width, height), Image.BICUBIC)))


def tiles_of(pixels, tile):
    rows, columns = pixels.shape[1] // tile, pixels.shape[2] // tile
    return [pixels[:, r * tile : (r + 1) * tile, c * tile : (c + 1) * tile] for r in range(rows) for c in range(columns)]


def reduced(pixels, tile):
    return F.interpolate(pixels[None], (tile, tile), mode="bicubic", align_corners=False)[0]


def encode(image, w, visual):
    """The vectors between the image's marks, and the tower's output of each view (tiles, then the whole)."""
    v = scope(w, "transformer.visual.")
    tile, sets = visual.get("tile_size", 448), visual["lora_repeat_num"]
    pixels = canvas(image, visual)
    views = [(t, None if sets == 0 else 0 if sets == 1 else k) for k, t in enumerate(tiles_of(pixels, tile))]
    features = [tower(p, v, visual, k) for p, k in views + [(reduced(pixels, tile), None)]]
    return torch.cat([resample(f, v, visual) for f in features]), features


class QwenV1:
    """The decoder. `prompt` fixes the base of the rotation; positions count from the sequence's start."""

    def __init__(self, w, config):
        self.w, self.c = w, config

    def embed(self, ids):
        return self.w["transformer.wte.weight"][ids]

    def base(self, prompt):
        c = self.c
        if not c.get("use_dynamic_ntk", True):
            return c["rotary_emb_base"]
        alpha = max(2 ** math.ceil(math.log2(prompt / c["seq_length"]) + 1) - 1, 1)
        d = c["kv_channels"]
        return c["rotary_emb_base"] * alpha ** (d / (d - 2))

    def logits(self, x, prompt):
        """x [n, hidden] -> [n, vocabulary]."""
        c, w = self.c, self.w
        n, d, heads = len(x), c["kv_channels"], c["num_attention_heads"]
        frequencies = 1.0 / self.base(prompt) ** (torch.arange(0, d, 2).float() / d)
        angles = torch.outer(torch.arange(n).float(), frequencies)
        cos, sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()
        growth = torch.tensor(
            [math.log(p + 1, c["seq_length"]) if c.get("use_logn_attn", True) and p + 1 > c["seq_length"] else 1.0 for p in range(n)],
            dtype=torch.float32,
        )
        mask = torch.full((n, n), -torch.inf).triu(1)

        def turn(t):
            return t * cos + torch.cat([-t[..., d // 2 :], t[..., : d // 2]], -1) * sin

        def rms(t, name):
            return t * torch.rsqrt(t.pow(2).mean(-1, keepdim=True) + c["layer_norm_epsilon"]) * w[name]

        for i in range(c["num_hidden_layers"]):
            p = f"transformer.h.{i}."
            h = F.linear(rms(x, p + "ln_1.weight"), w[p + "attn.c_attn.weight"], w[p + "attn.c_attn.bias"])
            q, k, v = (t.reshape(n, heads, d).transpose(0, 1) for t in h.chunk(3, -1))
            q, k = turn(q) * growth[:, None], turn(k)
            a = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(d) + mask, -1) @ v
            x = x + F.linear(a.transpose(0, 1).reshape(n, -1), w[p + "attn.c_proj.weight"])
            h = rms(x, p + "ln_2.weight")
            h = F.linear(h, w[p + "mlp.w1.weight"]) * F.silu(F.linear(h, w[p + "mlp.w2.weight"]))
            x = x + F.linear(h, w[p + "mlp.c_proj.weight"])
        return F.linear(rms(x, "transformer.ln_f.weight"), w["lm_head.weight"])
