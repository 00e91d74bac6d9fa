# SPDX-License-Identifier: Apache-2.0
"""HiRes-LLaVA (arXiv:2407.08706) in PyTorch, as a reference for numbers: stock parts put together, written for clarity.

The tower is transformers' CLIPVisionModel whose chosen layers get a SliceRestore adapter beside their self-attention; the decoder is
LlamaForCausalLM. Tensor names of `state_dict()` here are not those of a checkpoint; `checkpoint_tensors` gives those.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPVisionModel, LlamaForCausalLM


class SliceRestore(nn.Module):
    """Merge the slices into one map, convolve it, attend over a pooled copy of it, add both, slice again."""

    def __init__(self, size, heads, down):
        super().__init__()
        self.down = down  # (rows, columns), or an int: the ratio
        self.local = nn.Conv2d(size, size, 3, padding=1, groups=size)
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)

    def forward(self, patches, rows, columns):
        """patches [rows · columns, side², size] in row-major order of slices -> the same shape."""
        slices, count, size = patches.shape
        side = int(count**0.5)
        grid = patches.view(rows, columns, side, side, size).permute(4, 0, 2, 1, 3).reshape(1, size, rows * side, columns * side)
        near = self.local(grid)
        if isinstance(self.down, int):
            target = (-(-rows * side // self.down), -(-columns * side // self.down))
        else:
            target = self.down
        small = F.adaptive_avg_pool2d(grid, target).flatten(2).transpose(1, 2)
        far = self.attention(small, small, small, need_weights=False)[0]
        far = far.transpose(1, 2).reshape(1, size, *target)
        far = F.interpolate(far, size=grid.shape[-2:], mode="bilinear", align_corners=False)
        merged = (near + far).view(size, rows, side, columns, side)
        return merged.permute(1, 3, 2, 4, 0).reshape(slices, count, size)


class Stem(nn.Module):
    """Convolutions in place of the patch embedding (arXiv:2106.14881): a stage halves the map and adds pairs of convolutions to it."""

    def __init__(self, size, widths, depths):
        super().__init__()
        self.stages, before = nn.ModuleList(), 3
        for width, depth in zip(widths, depths):
            stage = nn.Module()
            stage.halve = nn.Conv2d(before, width, 3, stride=2, padding=1)
            stage.pairs = nn.ModuleList(
                nn.ModuleDict({part: nn.Conv2d(width, width, 3, padding=1) for part in ("first", "second")}) for _ in range(depth)
            )
            self.stages.append(stage)
            before = width
        self.output = nn.Conv2d(before, size, 1)

    @property
    def weight(self):  # CLIPVisionEmbeddings asks for its type
        return self.output.weight

    def forward(self, x):
        for stage in self.stages:
            x = F.relu(stage.halve(x))
            for pair in stage.pairs:
                x = F.relu(x + pair["second"](F.relu(pair["first"](x))))
        return self.output(x)


class RestoringAttention(nn.Module):
    """A CLIP self-attention with an adapter beside or behind it. `grid` None: the adapter stands aside.

    `source` says what the adapter sees: "ln1" the block's normed input, "x" its raw input, "attention" the attention's output.
    """

    def __init__(self, layer, adapter, source):
        super().__init__()
        self.attention, self.adapter, self.source, self.grid, self.raw = layer.self_attn, adapter, source, None, None
        layer.register_forward_pre_hook(self.keep, with_kwargs=True)

    def keep(self, layer, arguments, named):
        self.raw = arguments[0] if arguments else named["hidden_states"]

    def forward(self, hidden_states, **arguments):
        out, weights = self.attention(hidden_states, **arguments)
        if self.grid is not None:
            seen = {"ln1": hidden_states, "x": self.raw, "attention": out}[self.source]
            restored = self.adapter(seen[:, 1:], *self.grid)
            out = out + F.pad(restored, (0, 0, 1, 0))  # the class token takes no part
        return out, weights


class Sampler(nn.Module):
    """Self-Mining Sampler: queries are the average-pooled patches, keys and values all patches of the view, or of the cell."""

    def __init__(self, size, width, heads, kernel, local=False):
        super().__init__()
        self.kernel, self.local = kernel, local
        self.ln_q, self.ln_kv, self.ln_o = (nn.LayerNorm(size) for _ in range(3))
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(size, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, patches):
        views, count, size = patches.shape
        side = int(count**0.5)
        pooled = F.avg_pool2d(patches.transpose(1, 2).reshape(views, size, side, side), self.kernel).flatten(2).transpose(1, 2)
        keys = self.ln_kv(patches)
        query = self.ln_q(pooled)
        if self.local:
            s, n = self.kernel, side // self.kernel
            keys = keys.view(views, n, s, n, s, size).permute(0, 1, 3, 2, 4, 5).reshape(views * n * n, s * s, size)
            query = query.reshape(views * n * n, 1, size)
        mined = self.attention(query, keys, keys, need_weights=False)[0].view_as(pooled)
        return self.mlp(self.ln_o(pooled + mined))


class HiResLlava(nn.Module):
    def __init__(self, vision, text, record, select=-2, stem=None):
        super().__init__()
        self.record, self.select = record, select
        self.tower = CLIPVisionModel._from_config(vision, attn_implementation="eager")
        if stem:
            inner = getattr(self.tower, "vision_model", self.tower)
            inner.embeddings.patch_embedding = Stem(vision.hidden_size, **stem)
        self.llm = LlamaForCausalLM._from_config(text, attn_implementation="eager")
        size, width = vision.hidden_size, text.hidden_size
        self.restoring = []
        down = record["sra_down"]
        down = int(down.removeprefix("ratio")) if isinstance(down, str) else tuple(down)
        for i in record["sra_layers"]:
            layer = self.layers[i]
            source = "attention" if record["sra_where"] == "sequential" else record["sra_input"]
            layer.self_attn = RestoringAttention(layer, SliceRestore(size, record["sra_heads"], down), source)
            self.restoring.append(layer.self_attn)
        self.sampler = Sampler(size, width, record["sms_heads"], record["sms_kernel"], record["sms_local"])
        self.separators = nn.ParameterDict({k: nn.Parameter(torch.zeros(width)) for k in ("global", "slice", "row")})

    @property
    def layers(self):
        inner = getattr(self.tower, "vision_model", self.tower)
        return inner.encoder.layers

    def features(self, pixels, grid):
        for module in self.restoring:
            module.grid = grid
        return self.tower(pixels, output_hidden_states=True).hidden_states[self.select][:, 1:]

    def embed_image(self, whole, slices, rows, columns):
        """whole [1, 3, r, r], slices [rows · columns, 3, r, r] -> [tokens, width], separators included."""
        alone = (1, 1) if self.record["sra_on_lowres"] else None
        tokens = [self.sampler(self.features(whole, alone))[0], self.separators["global"][None]]
        cut = self.sampler(self.features(slices, (rows, columns)))
        for row in range(rows):
            for column in range(columns):
                tokens.append(cut[row * columns + column])
                last = column == columns - 1
                tokens.append(self.separators["row" if last else "slice"][None])
        return torch.cat(tokens)


def checkpoint_tensors(model):
    """The tensors under the names of a checkpoint."""
    out = {}
    for name, value in model.llm.state_dict().items():
        out[name] = value
    prefix = "model.vision_tower.vision_tower.vision_model."
    for name, value in model.tower.state_dict().items():
        name = name.removeprefix("vision_model.").replace("self_attn.attention.", "self_attn.")
        name = name.replace("patch_embedding.stages.", "stem.").replace("patch_embedding.output.", "patch_embedding.")
        if name == "embeddings.patch_embedding.weight" and value.shape[-1] == 1:
            value = value[:, :, 0, 0]
        if ".adapter." not in name:
            out[prefix + name] = value
    for i, module in zip(model.record["sra_layers"], model.restoring):
        target = f"model.vision_tower.sra.{i}."
        out[target + "local.weight"] = module.adapter.local.weight
        out[target + "local.bias"] = module.adapter.local.bias
        add_attention(out, target + "attn.", module.adapter.attention)
    target = "model.mm_projector."
    for name in ("ln_q", "ln_kv", "ln_o"):
        out[f"{target}{name}.weight"] = getattr(model.sampler, name).weight
        out[f"{target}{name}.bias"] = getattr(model.sampler, name).bias
    add_attention(out, target + "attn.", model.sampler.attention)
    for i in (0, 2):
        out[f"{target}mlp.{i}.weight"] = model.sampler.mlp[i].weight
        out[f"{target}mlp.{i}.bias"] = model.sampler.mlp[i].bias
    for name, value in model.separators.items():
        out[f"model.image_sep.{name}"] = value
    return {name: value.detach().clone().contiguous() for name, value in out.items()}


def add_attention(out, prefix, attention):
    for part, weight, bias in zip("qkv", attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)):
        out[f"{prefix}{part}_proj.weight"], out[f"{prefix}{part}_proj.bias"] = weight, bias
    out[f"{prefix}o_proj.weight"], out[f"{prefix}o_proj.bias"] = attention.out_proj.weight, attention.out_proj.bias
