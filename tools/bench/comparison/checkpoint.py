# SPDX-License-Identifier: Apache-2.0
"""Reads the random LLaVA checkpoint that tools/bench/make_llava.py writes, so that every program measures the same weights."""

import json
import os
import struct

import numpy as np

VISION = "model.vision_tower.vision_tower.vision_model."
PROJECTOR = "model.mm_projector."


def save_safetensors(path, tensors):
    """f32 arrays by name."""
    header, end = {}, 0
    for name, x in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [end, end + x.nbytes]}
        end += x.nbytes
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for x in tensors.values():
            f.write(np.ascontiguousarray(x, np.float32).tobytes())


class Checkpoint:
    """One safetensors file of f16 tensors, mapped, with the two configurations beside it."""

    def __init__(self, folder):
        with open(os.path.join(folder, "config.json")) as f:
            self.config = json.load(f)
        with open(os.path.join(folder, self.config["mm_vision_tower"], "config.json")) as f:
            self.vision = json.load(f)
        self.path = os.path.join(folder, "model.safetensors")
        with open(self.path, "rb") as f:
            (size,) = struct.unpack("<Q", f.read(8))
            self.header = json.loads(f.read(size))
        self.header.pop("__metadata__", None)
        self.start = 8 + size

    def names(self):
        return list(self.header)

    def shape(self, name):
        return tuple(self.header[name]["shape"])

    def tensor(self, name):
        """f16 array in the file's own memory."""
        entry = self.header[name]
        return np.memmap(self.path, np.float16, "r", self.start + entry["data_offsets"][0], self.shape(name))

    def language_names(self):
        return [n for n in self.header if not n.startswith((VISION, PROJECTOR))]

    def write_language(self, folder):
        """The decoder alone, as a transformers checkpoint."""
        keep = (
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "vocab_size",
            "hidden_act",
            "rms_norm_eps",
            "rope_theta",
            "max_position_embeddings",
            "tie_word_embeddings",
            "bos_token_id",
            "eos_token_id",
        )
        os.makedirs(folder, exist_ok=True)
        config = {k: self.config[k] for k in keep}
        config.update(architectures=["LlamaForCausalLM"], model_type="llama", torch_dtype="float16")
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config, f, indent=2)
        header, at = {"__metadata__": {"format": "pt"}}, 0
        for name in self.language_names():
            size = 2 * int(np.prod(self.shape(name)))
            header[name] = {"dtype": "F16", "shape": list(self.shape(name)), "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(folder, "model.safetensors"), "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            for name in self.language_names():
                f.write(self.tensor(name).tobytes())
