#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GGUF files for the tests of `fovea convert`, from the tiny checkpoints in Tests/ConversionTests/Fixtures/checkpoints.

    make_gguf.py types FILE              every number format that is read, random bytes, and what `gguf` reads of them (needs gguf)
    make_gguf.py models LLAMA_CPP FOLDER (needs llama.cpp's sources at LLAMA_CPP, torch, transformers, sentencepiece)
    make_gguf.py decoders LLAMA_CPP FOLDER (the same; beside each file what transformers makes of a prompt)
    make_gguf.py ocr LLAMA_CPP FOLDER (DeepSeek-OCR and DeepSeek-OCR 2)

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

        # LLaVA-NeXT, saved by transformers: taken apart into what the older script wants.
        source = Path(shutil.copytree(CHECKPOINTS / "llava_next_hf_bin/checkpoint", place + "/llava_next"))
        config = json.loads((source / "config.json").read_text())
        tensors = {}
        for file in sorted(source.glob("pytorch_model*")):
            if file.suffix == ".bin":
                tensors |= torch.load(file)
            file.unlink()
        parts = {
            "language_model.": "",
            "vision_tower.": "",
            "multi_modal_projector.linear_": "model.mm_projector.",
            "image_newline": "model.image_newline",
        }
        split = {old: {new + n[len(old) :]: t.clone() for n, t in tensors.items() if n.startswith(old)} for old, new in parts.items()}
        save_file(split["language_model."], source / "model.safetensors", metadata={"format": "pt"})
        (source / "config.json").write_text(json.dumps({**config["text_config"], "architectures": ["MistralForCausalLM"]}))
        projector = {n.replace("projector.1", "projector.0"): t for n, t in split["multi_modal_projector.linear_"].items()}
        torch.save({**projector, **split["image_newline"]}, place + "/projector")
        (source / "vision_tower").mkdir()
        save_file(split["vision_tower."], source / "vision_tower/model.safetensors", metadata={"format": "pt"})
        # The original code has the width first.
        pairs = [pair[::-1] for pair in config["image_grid_pinpoints"]]
        more = {"vision_feature_layer": config["vision_feature_layer"], "image_grid_pinpoints": pairs}
        vision = {**config["vision_config"], **more, "architectures": ["CLIPVisionModel"], "mm_patch_merge_type": "spatial_unpad"}
        (source / "vision_tower/config.json").write_text(json.dumps(vision))
        out = Path(folder, "llava_next")
        out.mkdir(parents=True, exist_ok=True)
        run(decoder, source, "--outtype", "f32", "--outfile", out / "llava-next-f32.gguf")
        tower = ["-m", source / "vision_tower", "--clip-model-is-vision", "--use-f32", "--llava-projector", place + "/projector", "--output-dir", out]
        run(encoder, *tower)

        pre = "smollm"
        source = Path(shutil.copytree(CHECKPOINTS / "smolvlm/checkpoint", place + "/smolvlm"))
        text = json.loads((source / "config.json").read_text())["text_config"]
        edit(source / "config.json", text_config={**text, "architectures": ["VLlama3ForCausalLM"]})
        out = Path(folder, "smolvlm")
        out.mkdir(parents=True, exist_ok=True)
        run(decoder, source, "--outtype", "f32", "--outfile", out / "smolvlm-f32.gguf")
        run(decoder, source, "--outtype", "f32", "--mmproj", "--outfile", out / "mmproj-f32.gguf")


def decoders(llama, folder):
    """Small random Qwen2, Granite and LLaMA 3.1 (with its RoPE factors), with the tokenizer of the small SmolVLM."""
    sys.path[:0] = [llama, llama + "/gguf-py"]
    import conversion.base
    import torch
    import transformers
    from safetensors.torch import save_file
    from tokenizers import Tokenizer

    for kind in vars(conversion.base).values():
        if isinstance(kind, type) and "get_vocab_base_pre" in vars(kind):
            kind.get_vocab_base_pre = lambda self, tokenizer: "smollm"
    files = CHECKPOINTS / "smolvlm/checkpoint"
    tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
    sizes = dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=65536, rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=2,
    )  # fmt: skip
    llama3 = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }  # fmt: skip
    # Wide heads: their lowest frequencies are below LLaMA 3's bands, the highest above.
    wide = {**sizes, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64}
    cases = {
        "qwen2": transformers.Qwen2Config(**sizes, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
        "granite": transformers.GraniteConfig(
            **sizes, tie_word_embeddings=True, embedding_multiplier=12.0, residual_multiplier=0.22, attention_multiplier=0.25, logits_scaling=8.0
        ),
        "llama3": transformers.LlamaConfig(**wide, tie_word_embeddings=False, rope_parameters=llama3),
    }
    ids = tokenizer.encode("User: 12 red triangles", add_special_tokens=False).ids
    for seed, (name, config) in enumerate(cases.items()):
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter, p in sorted(model.named_parameters()):
                noise = torch.randn(p.shape, generator=generator)
                scale = 0.1 if p.dim() == 1 else 0.6 if "embed" in parameter else 1.2 / p.shape[-1] ** 0.5
                p.copy_(noise * scale + (1 if "norm" in parameter else 0))
            logits = model(torch.tensor([ids])).logits[0]
            made = model.generate(torch.tensor([ids]), max_new_tokens=16, min_new_tokens=16, do_sample=False, eos_token_id=None, pad_token_id=0)[0]
        out = Path(folder, name)
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            model.save_pretrained(place)
            for file in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(files / file, place)
            run(Path(llama, "convert_hf_to_gguf.py"), place, "--outtype", "f32", "--outfile", out / f"{name}-f32.gguf")
        recorded = {"logits": logits.contiguous(), "greedy": made[len(ids) :].int(), "ids": torch.tensor(ids, dtype=torch.int32)}
        save_file(recorded, out / "reference.safetensors")


def ocr(llama, folder):
    """The small DeepSeek-OCR and DeepSeek-OCR 2, the second with the published config."""
    sys.path[:0] = [llama, llama + "/gguf-py"]
    import conversion.base
    import gguf
    import make_deepseek_checkpoints

    for kind in vars(conversion.base).values():
        if isinstance(kind, type) and "get_vocab_base_pre" in vars(kind):
            kind.get_vocab_base_pre = lambda self, tokenizer: "deepseek-v3"
    # The numbers of SAM's neck are taken for those of blocks, of which these towers have two.
    named = gguf.get_tensor_name_map
    gguf.get_tensor_name_map = lambda architecture, blocks: named(architecture, max(blocks, 12))
    for name in ("deepseek_ocr", "deepseek_ocr2"):
        out = Path(folder, name)
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            source = Path(shutil.copytree(CHECKPOINTS / name / "checkpoint", place + "/" + name))
            (source / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
            if name == "deepseek_ocr2":
                config = make_deepseek_checkpoints.config(312)
                sam = config["vision_config"]["width"]["sam_vit_b"]
                sizes = {"image_size": 1024, "layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
                config["vision_config"] = {**sizes, "width": {"qwen2-0-5b": {"dim": 16}, "sam_vit_b": sam}}
                (source / "config.json").write_text(json.dumps({**config, "architectures": ["DeepseekOCR2ForCausalLM"]}))
            convert = Path(llama, "convert_hf_to_gguf.py")
            run(convert, source, "--outtype", "bf16", "--outfile", out / f"{name}-bf16.gguf")
            run(convert, source, "--outtype", "bf16", "--mmproj", "--outfile", out / "mmproj-bf16.gguf")


def edit(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["types"] and len(sys.argv) == 3:
        types(sys.argv[2])
    elif sys.argv[1:2] == ["models"] and len(sys.argv) == 4:
        models(os.path.abspath(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["decoders"] and len(sys.argv) == 4:
        decoders(os.path.abspath(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["ocr"] and len(sys.argv) == 4:
        ocr(os.path.abspath(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(__doc__)
