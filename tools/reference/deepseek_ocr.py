# SPDX-License-Identifier: Apache-2.0
"""DeepSeek-OCR in PyTorch over a dictionary of its published tensors, from arXiv:2510.18234 and the public description of its parts: SAM's
encoder with two convolutions, CLIP behind it, a DeepSeekMoE decoder with plain attention. Preprocessing with Pillow and NumPy."""

import numpy as np
import torch
from PIL import ImageOps
from torch.nn import functional as F

SIDES = {"tiny": 512, "small": 640, "base": 1024, "large": 1280, "gundam": 1024}
TILE = 640


def grid(width, height, least=2, most=9):
    """Columns and rows of the tiles."""
    sizes = {(c, r) for c in range(1, most + 1) for r in range(1, most + 1) if least <= c * r <= most}
    best, nearest = (1, 1), float("inf")
    for columns, rows in sorted(sizes, key=lambda s: s[0] * s[1]):
        distance = abs(width / height - columns / rows)
        if distance < nearest or (distance == nearest and width * height > 0.5 * TILE * TILE * columns * rows):
            best, nearest = (columns, rows), distance
    return best


def views(image, mode, most=9):
    """-> the tiles row by row, columns and rows of them, the whole page; Pillow images."""
    side = SIDES[mode]
    if mode in ("tiny", "small"):
        return [], (0, 0), image.resize((side, side))
    page = ImageOps.pad(image, (side, side), color=(127, 127, 127))
    if mode != "gundam" or max(image.size) <= TILE:
        return [], (0, 0), page
    columns, rows = grid(*image.size, most=most)
    canvas = image.resize((columns * TILE, rows * TILE))
    corners = [(c * TILE, r * TILE) for r in range(rows) for c in range(columns)]
    return [canvas.crop((x, y, x + TILE, y + TILE)) for x, y in corners], (columns, rows), page


def pixels(images):
    x = np.stack([np.asarray(image, dtype=np.float32) for image in images]) / 255
    return torch.from_numpy(((x - 0.5) / 0.5).transpose(0, 3, 1, 2).copy())


def resized(table, side):
    """A map of positions [side, side, size], made smaller or larger."""
    if table.shape[0] == side:
        return table
    x = F.interpolate(table.permute(2, 0, 1)[None], size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    return x[0].permute(1, 2, 0)


class Model:
    def __init__(self, w, config):
        self.w = w
        self.language = config["language_config"]
        self.widths = config["vision_config"]["width"]

    def linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w.get(name + ".bias"))

    def layer_norm(self, x, name, epsilon):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"], epsilon)

    # the first tower

    def distances(self, name, side):
        """Vectors for query place − key place: [side, side, head]."""
        table = self.w[name]
        if table.shape[0] != 2 * side - 1:
            table = F.interpolate(table.T[None], size=2 * side - 1, mode="linear")[0].T
        places = torch.arange(side)
        return table[places[:, None] - places[None, :] + side - 1]

    def grid_attention(self, x, name):
        """x: [maps, side, side, size]."""
        maps, side, _, size = x.shape
        heads = self.widths["sam_vit_b"]["heads"]
        q, k, v = self.linear(x, name + ".qkv").reshape(maps, side * side, 3, heads, size // heads).permute(2, 0, 3, 1, 4)
        at = q.reshape(maps, heads, side, side, -1)
        down = torch.einsum("mhyxc,ykc->mhyxk", at, self.distances(name + ".rel_pos_h", side))
        right = torch.einsum("mhyxc,xkc->mhyxk", at, self.distances(name + ".rel_pos_w", side))
        bias = (down[..., :, None] + right[..., None, :]).reshape(maps, heads, side * side, side * side)
        scores = q @ k.transpose(-1, -2) / (size // heads) ** 0.5 + bias
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(maps, side, side, size)
        return self.linear(y, name + ".proj")

    def sam(self, x):
        """[views, 3, h, w] -> [views, channels, h / 64, w / 64]."""
        p = "model.sam_model."
        h = F.conv2d(x, self.w[p + "patch_embed.proj.weight"], self.w[p + "patch_embed.proj.bias"], stride=16).permute(0, 2, 3, 1)
        h = h + resized(self.w[p + "pos_embed"][0], h.shape[1])
        c = self.widths["sam_vit_b"]
        for i in range(c["layers"]):
            n = f"{p}blocks.{i}"
            y = self.layer_norm(h, n + ".norm1", 1e-6)
            if i in c["global_attn_indexes"]:
                y = self.grid_attention(y, n + ".attn")
            else:
                views, side, _, size = y.shape
                count = -(-side // 14)
                y = F.pad(y, (0, 0, 0, count * 14 - side, 0, count * 14 - side))
                y = y.reshape(views, count, 14, count, 14, size).transpose(2, 3).reshape(-1, 14, 14, size)
                y = self.grid_attention(y, n + ".attn").reshape(views, count, count, 14, 14, size).transpose(2, 3)
                y = y.reshape(views, count * 14, count * 14, size)[:, :side, :side]
            h = h + y
            h = h + self.linear(F.gelu(self.linear(self.layer_norm(h, n + ".norm2", 1e-6), n + ".mlp.lin1")), n + ".mlp.lin2")
        h = h.permute(0, 3, 1, 2)
        for conv, norm in ((0, 1), (2, 3)):
            h = F.conv2d(h, self.w[f"{p}neck.{conv}.weight"], padding=conv // 2)
            h = self.layer_norm(h.permute(0, 2, 3, 1), f"{p}neck.{norm}", 1e-6).permute(0, 3, 1, 2)
        for name in ("net_2", "net_3"):
            h = F.conv2d(h, self.w[f"{p}{name}.weight"], stride=2, padding=1)
        return h

    # the second tower

    def clip(self, features):
        """[views, places, size], a square of places -> the same."""
        p = "model.vision_model."
        c = self.widths["clip-l-14-224"]
        views, places, size = features.shape
        table = self.w[p + "embeddings.position_embedding.weight"]
        side = round((len(table) - 1) ** 0.5)
        positions = resized(table[1:].reshape(side, side, size), round(places**0.5)).reshape(places, size)
        first = (self.w[p + "embeddings.class_embedding"] + table[0]).expand(views, 1, size)
        x = self.layer_norm(torch.cat([first, features + positions], dim=1), p + "pre_layrnorm", 1e-5)
        for i in range(c["layers"]):
            n = f"{p}transformer.layers.{i}."
            q, k, v = self.linear(self.layer_norm(x, n + "layer_norm1", 1e-5), n + "self_attn.qkv_proj").chunk(3, dim=-1)
            q, k, v = (t.reshape(views, places + 1, c["heads"], -1).transpose(1, 2) for t in (q, k, v))
            y = ((q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
            x = x + self.linear(y, n + "self_attn.out_proj")
            y = self.linear(self.layer_norm(x, n + "layer_norm2", 1e-5), n + "mlp.fc1")
            x = x + self.linear(y * torch.sigmoid(1.702 * y), n + "mlp.fc2")
        return x[:, 1:]

    def encode(self, images):
        """Pillow images of one side -> [images, side, side, hidden]."""
        maps = torch.cat([self.sam(pixels([image])) for image in images])
        side = maps.shape[-1]
        features = maps.flatten(2).transpose(1, 2)
        x = self.linear(torch.cat([self.clip(features), features], dim=-1), "model.projector.layers")
        return x.reshape(len(images), side, side, -1)

    def lines(self, x):
        """A map, the newline vector after each of its rows."""
        newline = self.w["model.image_newline"].expand(x.shape[0], 1, -1)
        return torch.cat([x, newline], dim=1).flatten(0, 1)

    def block(self, image, mode, most=9):
        """The vectors that stand for an image."""
        tiles, (columns, rows), page = views(image, mode, most)
        parts = []
        if tiles:
            x = self.encode(tiles)
            side = x.shape[1]
            x = x.reshape(rows, columns, side, side, -1).transpose(1, 2).reshape(rows * side, columns * side, -1)
            parts.append(self.lines(x))
        parts += [self.lines(self.encode([page])[0]), self.w["model.view_seperator"][None]]
        return torch.cat(parts)

    # the decoder

    def embed(self, ids):
        return self.w["model.embed_tokens.weight"][ids.long()]

    def rms_norm(self, x, name):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.language.get("rms_norm_eps", 1e-6)) * self.w[name + ".weight"]

    def gated(self, x, name):
        return self.linear(F.silu(self.linear(x, name + ".gate_proj")) * self.linear(x, name + ".up_proj"), name + ".down_proj")

    def experts(self, x, name):
        c = self.language
        scores = F.linear(x, self.w[name + ".gate.weight"]).softmax(-1)
        weights, chosen = scores.topk(c["num_experts_per_tok"], dim=-1)
        if c.get("norm_topk_prob"):
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        weights = weights * c.get("routed_scaling_factor", 1.0)
        y = self.gated(x, name + ".shared_experts")
        for e in range(c["n_routed_experts"]):
            rows, ranks = (chosen == e).nonzero(as_tuple=True)
            if len(rows):
                y[rows] += weights[rows, ranks, None] * self.gated(x[rows], f"{name}.experts.{e}")
        return y

    def logits(self, x, _=None):
        """[positions, hidden] -> [positions, vocabulary]."""
        c = self.language
        heads, n = c["num_attention_heads"], len(x)
        head = c["hidden_size"] // heads
        angles = torch.arange(n)[:, None] / 10000.0 ** (torch.arange(0, head, 2) / head)[None]
        cos, sin = (torch.cat([t, t], dim=-1) for t in (angles.cos(), angles.sin()))

        def turned(t):
            return t * cos + torch.cat([-t[..., head // 2 :], t[..., : head // 2]], dim=-1) * sin

        mask = torch.full((n, n), float("-inf")).triu(1)
        for i in range(c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            y = self.rms_norm(x, p + "input_layernorm")
            q, k, v = (self.linear(y, f"{p}self_attn.{m}_proj").reshape(n, heads, head).transpose(0, 1) for m in "qkv")
            y = ((turned(q) @ turned(k).transpose(-1, -2) / head**0.5 + mask).softmax(-1) @ v).transpose(0, 1).reshape(n, -1)
            x = x + self.linear(y, p + "self_attn.o_proj")
            y = self.rms_norm(x, p + "post_attention_layernorm")
            x = x + (self.gated(y, p + "mlp") if i < c["first_k_dense_replace"] else self.experts(y, p + "mlp"))
        return F.linear(self.rms_norm(x, "model.norm"), self.w["lm_head.weight"])
