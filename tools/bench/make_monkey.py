# SPDX-License-Identifier: Apache-2.0
"""A Monkey of the published size with random weights: one pytorch_model.bin of 19.4 GB in bf16, written piece by piece.

    make_monkey.py DIRECTORY [--layers N] [--blocks N]      (fewer decoder layers, fewer blocks of the tower: for trying it out)

For conversion, memory and speed only: its answers mean nothing. Needs torch, about 1 GB of memory, and the room on disk.
"""

import argparse
import base64
import collections
import functools
import io
import itertools
import json
import os
import pickle
import sys
import zipfile
import zlib

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import monkey  # noqa: E402

PIECE = 1 << 24  # numbers made at once


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Tensor:
    """Pickles as a tensor whose numbers are written elsewhere."""

    def __init__(self, key, shape):
        self.shape = tuple(shape)
        strides = list(itertools.accumulate(reversed(self.shape[1:]), lambda a, b: a * b, initial=1))
        self.strides = tuple(reversed(strides))
        count = 1
        for extent in self.shape:
            count *= extent
        self.storage = Storage(key, count)

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (self.storage, 0, self.shape, self.strides, False, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, x):
        return ("storage", torch.BFloat16Storage, x.key, "cpu", x.count) if isinstance(x, Storage) else None


@functools.cache
def noise(scale, centre):
    """Bytes of normal numbers; tensors of the same scale share them, each from a start of its own."""
    numbers = torch.randn(PIECE + 1024, generator=torch.Generator().manual_seed(5))
    return memoryview((numbers * scale + centre).bfloat16().view(torch.uint8).numpy())


def pieces(name, shape):
    """The bytes of a tensor with numbers of a trained model's size."""
    fan = 1
    for extent in shape[1:]:
        fan *= extent
    is_norm = len(shape) == 1 and "ln_" in name and name.endswith("weight")
    scale = 0.1 if len(shape) == 1 else 0.6 if name.endswith("wte.weight") else fan**-0.5
    bytes = noise(scale, 1.0 if is_norm or name.endswith("lora_scale") else 0.0)
    start = zlib.crc32(name.encode()) % 1024
    for first in range(0, fan * shape[0], PIECE):
        yield bytes[2 * start : 2 * (start + min(PIECE, fan * shape[0] - first))]


def write(path, shapes):
    tensors = collections.OrderedDict((name, Tensor(str(i), shape)) for i, (name, shape) in enumerate(shapes.items()))
    index = io.BytesIO()
    Pickler(index, protocol=2).dump(tensors)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as z:
        z.writestr("pytorch_model/data.pkl", index.getvalue())
        z.writestr("pytorch_model/byteorder", "little")
        for i, (name, tensor) in enumerate(tensors.items()):
            with z.open(f"pytorch_model/data/{tensor.storage.key}", "w", force_zip64=True) as f:
                for piece in pieces(name, tensor.shape):
                    f.write(piece)
            print(f"\r{i + 1}/{len(tensors)}", end="", flush=True, file=sys.stderr)
        z.writestr("pytorch_model/version", "3\n")
    print(file=sys.stderr)


def vocabulary(path, count=151643):
    """As many distinct byte strings as Qwen has pieces: all bytes, all pairs, then triples."""
    letters = [bytes([b]) for b in range(256)]
    pieces = itertools.chain(letters, (a + b for a in letters for b in letters), (a + b + c for a in letters for b in letters for c in letters))
    with open(path, "w") as f:
        for rank, piece in enumerate(itertools.islice(pieces, count)):
            f.write(f"{base64.b64encode(piece).decode()} {rank}\n")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("directory")
    p.add_argument("--layers", type=int, default=32)
    p.add_argument("--blocks", type=int, default=48)
    a = p.parse_args()
    os.makedirs(a.directory, exist_ok=True)
    config = {
        "architectures": ["MonkeyLMHeadModel"],
        "model_type": "monkey",
        "vocab_size": 151936,
        "hidden_size": 4096,
        "num_hidden_layers": a.layers,
        "num_attention_heads": 32,
        "kv_channels": 128,
        "intermediate_size": 22016,
        "layer_norm_epsilon": 1e-6,
        "max_position_embeddings": 8192,
        "seq_length": 2048,
        "rotary_emb_base": 10000,
        "rotary_pct": 1.0,
        "use_dynamic_ntk": True,
        "use_logn_attn": True,
        "no_bias": True,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "visual": {
            "image_size": 896,
            "patch_size": 14,
            "width": 1664,
            "layers": a.blocks,
            "heads": 16,
            "mlp_ratio": 4.9231,
            "output_dim": 4096,
            "image_start_id": 151857,
            "lora_repeat_num": 4,
        },
    }
    with open(os.path.join(a.directory, "config.json"), "w") as f:
        json.dump(config, f, indent=2)
    with open(os.path.join(a.directory, "generation_config.json"), "w") as f:
        json.dump({"eos_token_id": 151643, "pad_token_id": 151643}, f)
    vocabulary(os.path.join(a.directory, "qwen.tiktoken"))
    write(os.path.join(a.directory, "pytorch_model.bin"), monkey.shapes(config))
