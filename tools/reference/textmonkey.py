# SPDX-License-Identifier: Apache-2.0
"""What TextMonkey adds to monkey.py, in PyTorch from its description: shifted windows across tiles, and the token resampler."""

import math

import monkey
import torch
import torch.nn.functional as F
from monkey import scope

WINDOW, SHIFT = 12, 6


def layer_norm(x, w, name):
    return F.layer_norm(x, (x.shape[-1],), w[name + ".weight"], w[name + ".bias"], 1e-5)


def relative_bias(table):
    """[heads, window², window²] from [(2·window − 1)², heads]."""
    places = torch.stack(torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")).flatten(1)
    difference = places[:, :, None] - places[:, None, :] + WINDOW - 1
    index = difference[0] * (2 * WINDOW - 1) + difference[1]
    return table[index].permute(2, 0, 1)


def shift_mask(size):
    """[windows, window², window²]: 0 within a region of the rolled map, −100 between regions."""
    regions = torch.zeros(size, size)
    bands = (slice(0, -WINDOW), slice(-WINDOW, -SHIFT), slice(-SHIFT, None))
    for i, rows in enumerate(bands):
        for j, columns in enumerate(bands):
            regions[rows, columns] = 3 * i + j
    r = windows(regions[..., None])[..., 0]
    return torch.where(r[:, None, :] == r[:, :, None], 0.0, -100.0)


def windows(map):
    """[size, size, c] -> [windows, window², c]."""
    n = map.shape[0] // WINDOW
    return map.reshape(n, WINDOW, n, WINDOW, -1).permute(0, 2, 1, 3, 4).reshape(n * n, WINDOW * WINDOW, -1)


def unwindows(x, size):
    n = size // WINDOW
    return x.reshape(n, n, WINDOW, WINDOW, -1).permute(0, 2, 1, 3, 4).reshape(size, size, -1)


def cross_windows(x, w):
    """x [grid², width]: the merged map of all tiles."""
    grid = math.isqrt(len(x))
    s = scope(w, "shift_attn.")
    d = F.linear(x + w["position_embedding"][0], s["downsample.weight"])
    size, heads = d.shape[1], s["attn.relative_position_bias_table"].shape[1]
    h = layer_norm(d, s, "norm1").reshape(grid, grid, size).roll((-SHIFT, -SHIFT), (0, 1))
    padded = math.ceil(grid / WINDOW) * WINDOW
    h = windows(F.pad(h, (0, 0, 0, padded - grid, 0, padded - grid)))
    q, k, v = F.linear(h, s["attn.qkv.weight"], s["attn.qkv.bias"]).reshape(*h.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
    a = q * q.shape[-1] ** -0.5 @ k.transpose(2, 3) + relative_bias(s["attn.relative_position_bias_table"]) + shift_mask(padded)[:, None]
    h = (torch.softmax(a, -1) @ v).transpose(1, 2).reshape(h.shape)
    h = unwindows(F.linear(h, s["attn.proj.weight"], s["attn.proj.bias"]), padded)[:grid, :grid].roll((SHIFT, SHIFT), (0, 1))
    e = d + h.reshape(grid * grid, size)
    h = F.linear(F.gelu(F.linear(layer_norm(e, s, "norm2"), s["mlp.fc1.weight"])), s["mlp.fc2.weight"])
    return x + s["mlp.scale"] * h


def merge(views, columns):
    """Tiles' patches [patches, c] -> the map [grid², c], and back with `split`."""
    side = math.isqrt(len(views[0]))
    rows = len(views) // columns
    map = torch.stack(views).reshape(rows, columns, side, side, -1).permute(0, 2, 1, 3, 4)
    return map.reshape(rows * side * columns * side, -1)


def split(map, rows, columns):
    side = math.isqrt(len(map) // (rows * columns))
    tiles = map.reshape(rows, side, columns, side, -1).permute(0, 2, 1, 3, 4).reshape(rows * columns, side * side, -1)
    return list(tiles)


def keep_distinct(x, w, visual):
    """x [tokens, width] -> [r, width]."""
    n = F.normalize(x, dim=-1)
    similarity = n @ n.T - 2 * torch.tril(torch.ones(len(x), len(x)))
    chosen = similarity.max(-1).values.argsort()[: visual["r"]].sort().values
    latents = x[chosen]
    look, mlp = scope(w, "layers.0.0."), scope(w, "layers.0.1.")
    media = layer_norm(F.linear(x, w["downsample.weight"]), look, "norm_media")
    small = layer_norm(F.linear(latents, w["downsample.weight"]), look, "norm_latents")
    heads = visual.get("token_resampler_heads", small.shape[1] // 128)
    q = F.linear(small, look["to_q.weight"])
    k, v = F.linear(torch.cat([media, small]), look["to_kv.weight"]).chunk(2, -1)
    q, k, v = (t.reshape(len(t), heads, -1).transpose(0, 1) for t in (q, k, v))
    seen = torch.softmax(q * q.shape[-1] ** -0.5 @ k.transpose(1, 2), -1) @ v
    seen = F.linear(seen.transpose(0, 1).reshape(len(latents), -1), look["to_out.weight"])
    h = F.linear(F.gelu(F.linear(layer_norm(seen, mlp, "norm"), mlp["fc1.weight"])), mlp["fc2.weight"])
    return latents + mlp["scale"] * h


def encode(image, w, visual):
    """As monkey.encode."""
    v = scope(w, "transformer.visual.")
    tile, sets = visual.get("tile_size", 448), visual.get("lora_repeat_num", 0)
    pixels = monkey.canvas(image, visual)
    columns = pixels.shape[2] // tile
    views = [monkey.embed_patches(p, v, visual["patch_size"]) for p in monkey.tiles_of(pixels, tile)]
    rows = len(views) // columns
    layers = visual.get("window_layers", [2, 6, 24, 46])
    for i in range(visual["layers"]):
        if visual["add_window"] and i in layers:
            map = cross_windows(merge(views, columns), scope(v, f"transformer.window_attention.{layers.index(i)}."))
            views = split(map, rows, columns)
        b = scope(v, f"transformer.resblocks.{i}.")
        views = [monkey.block(x, b, visual["heads"], None if sets == 0 else 0 if sets == 1 else k) for k, x in enumerate(views)]
    tokens = torch.cat([monkey.resample(x, v, visual) for x in views])
    if visual["resampler"]:
        tokens = keep_distinct(tokens, scope(v, "downresampler."), visual)
    if visual["use_global"]:
        views.append(monkey.tower(monkey.reduced(pixels, tile), v, visual, None))
        tokens = torch.cat([tokens, monkey.resample(views[-1], v, visual)])
    return tokens, views


def extra_shapes(visual):
    """Tensors besides Monkey's. The windows' widths are the published ones unless `window_widths` says otherwise."""
    w, d = visual["width"], visual["output_dim"]
    height, width = monkey.canvas_size(visual)
    s = {}
    for i, h in enumerate(visual.get("window_widths", [128, 256, 512, 1024])):
        p = f"transformer.visual.transformer.window_attention.{i}."
        a = p + "shift_attn."
        s |= {
            p + "position_embedding": (1, (height // visual["patch_size"]) * (width // visual["patch_size"]), w),
            a + "downsample.weight": (h, w),
            a + "norm1.weight": (h,),
            a + "norm1.bias": (h,),
            a + "norm2.weight": (h,),
            a + "norm2.bias": (h,),
            a + "attn.relative_position_bias_table": ((2 * WINDOW - 1) ** 2, h // 32),
            a + "attn.qkv.weight": (3 * h, h),
            a + "attn.qkv.bias": (3 * h,),
            a + "attn.proj.weight": (h, h),
            a + "attn.proj.bias": (h,),
            a + "mlp.fc1.weight": (2 * h, h),
            a + "mlp.fc2.weight": (w, 2 * h),
            a + "mlp.scale": (1,),
        }
    n = visual.get("token_resampler_width", 1024)
    p = "transformer.visual.downresampler."
    look, mlp = p + "layers.0.0.", p + "layers.0.1."
    s |= {
        p + "downsample.weight": (n, d),
        look + "to_q.weight": (n, n),
        look + "to_kv.weight": (2 * n, n),
        look + "to_out.weight": (n, n),
        mlp + "fc1.weight": (n, n),
        mlp + "fc2.weight": (d, n),
        mlp + "scale": (1,),
    }
    for name in (look + "norm_media", look + "norm_latents", mlp + "norm"):
        s |= {name + ".weight": (n,), name + ".bias": (n,)}
    return s
