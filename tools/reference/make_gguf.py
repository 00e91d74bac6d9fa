#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GGUF files for the tests of `fovea convert`, from the tiny checkpoints in Tests/ConversionTests/Fixtures/checkpoints.

    make_gguf.py types FILE              every number format that is read, random bytes, and what `gguf` reads of them (needs gguf)
    make_gguf.py models LLAMA_CPP FOLDER (needs llama.cpp's sources at LLAMA_CPP, torch, transformers, sentencepiece)

models: llava and smolvlm by llama.cpp's own converters: convert_hf_to_gguf.py for decoders and SmolVLM's tower,
legacy-models/convert_image_encoder_to_gguf.py for LLaVA's. These know tokenizers by their hash, so the tiny one's kind is told."""

import json
import os
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

CHECKPOINTS = Path(__file__).resolve().parents[2] / "Tests/ConversionTests/Fixtures/checkpoints"
TYPES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS".split()


def types(path):
    import gguf

    chance = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        weights, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = chance.integers(0, 256, (3, 512 // weights, size), dtype=np.uint8)
        # Scales, minima and plain numbers are half floats (or wider): none of them infinite or no number.
        halves = {"Q2_K": [80, 82], "Q3_K": [108], "Q6_K": [208]}.get(name, [0, 2] if name in ("Q4_1", "Q5_1", "Q4_K", "Q5_K") else [0])
        for at in halves:
            blocks[..., at + 1] &= 0xBB
        if name in ("F32", "BF16"):
            blocks[..., -1] = 0x3E | (blocks[..., -1] & 0x80)
        data = blocks.reshape(3, -1)
        writer.add_tensor(name, data, raw_shape=data.shape, raw_dtype=kind)
        writer.add_tensor(name + ".read", gguf.quants.dequantize(data, kind).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def run(script, *arguments):
    sys.argv = [str(script), *map(str, arguments)]
    runpy.run_path(str(script), run_name="__main__")


def models(llama, folder):
    sys.path[:0] = [llama, llama + "/gguf-py"]
    import conversion.base
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    pre = "default"
    for kind in vars(conversion.base).values():
        if isinstance(kind, type) and "get_vocab_base_pre" in vars(kind):
            kind.get_vocab_base_pre = lambda self, tokenizer: pre
    tower = transformers.CLIPVisionModel
    if not hasattr(tower, "vision_model"):  # transformers 5 nests it no more; the older script wants it so
        inner = tower.state_dict
        tower.vision_model = property(lambda self: self)
        tower.state_dict = lambda self: {"vision_model." + name.removeprefix("vision_model."): value for name, value in inner(self).items()}
    decoder, encoder = Path(llama, "convert_hf_to_gguf.py"), Path(llama, "tools/mtmd/legacy-models/convert_image_encoder_to_gguf.py")
    with tempfile.TemporaryDirectory() as place:
        # LLaVA as its own code saves it: the decoder by itself, the projector and the tower.
        source = Path(shutil.copytree(CHECKPOINTS / "llava/checkpoint", place + "/llava"))
        tensors = load_file(source / "model.safetensors")
        torch.save({name: value for name, value in tensors.items() if "mm_projector" in name}, place + "/projector")
        inside = "model.vision_tower.vision_tower."
        save_file(
            {name[len(inside) :]: value.clone() for name, value in tensors.items() if name.startswith(inside)},
            source / "vision_tower/model.safetensors",
        )
        plain = {name: value for name, value in tensors.items() if "mm_projector" not in name and "vision_tower" not in name}
        save_file(plain, source / "model.safetensors", metadata={"format": "pt"})
        edit(source / "config.json", architectures=["LlamaForCausalLM"], model_type="llama")
        edit(source / "vision_tower/config.json", vision_feature_layer=-2)
        out = Path(folder, "llava")
        out.mkdir(parents=True, exist_ok=True)
        run(decoder, source, "--outtype", "f32", "--outfile", out / "llava-f32.gguf")
        run(
            encoder,
            "-m",
            source / "vision_tower",
            "--clip-model-is-vision",
            "--use-f32",
            "--llava-projector",
            place + "/projector",
            "--output-dir",
            out,
        )

        pre = "smollm"
        source = Path(shutil.copytree(CHECKPOINTS / "smolvlm/checkpoint", place + "/smolvlm"))
        text = json.loads((source / "config.json").read_text())["text_config"]
        edit(source / "config.json", text_config={**text, "architectures": ["VLlama3ForCausalLM"]})
        out = Path(folder, "smolvlm")
        out.mkdir(parents=True, exist_ok=True)
        run(decoder, source, "--outtype", "f32", "--outfile", out / "smolvlm-f32.gguf")
        run(decoder, source, "--outtype", "f32", "--mmproj", "--outfile", out / "mmproj-f32.gguf")


def edit(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["types"] and len(sys.argv) == 3:
        types(sys.argv[2])
    elif sys.argv[1:2] == ["models"] and len(sys.argv) == 4:
        models(os.path.abspath(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(__doc__)
