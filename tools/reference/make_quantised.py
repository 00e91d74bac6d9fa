# SPDX-License-Identifier: Apache-2.0
"""Weights quantised as compressed-tensors and FP8 checkpoints have them, with the floats that they stand for.

    make_quantised.py DIRECTORY      (Tests/ConversionTests/Fixtures/quantised holds the result)

DIRECTORY/compressed_tensors is packed and unpacked again by that library, with scales in f32; DIRECTORY/fp8 is written here. In each
`expected.safetensors` are the weights in f32. DIRECTORY/smolvlm and DIRECTORY/deepseek_ocr have the decoders' matrices of the small checkpoints of
those names, int4 by compressed-tensors and FP8 in blocks, as the whole systems are published: what takes the place of those matrices, the floats that
it stands for (`expected.safetensors`), and what config.json has besides. Needs torch, safetensors and compressed-tensors.
"""

import os
import re
import sys
from pathlib import Path

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from make_checkpoints import write_json
from safetensors.torch import load_file, save_file

CHECKPOINTS = Path(__file__).resolve().parents[2] / "Tests/ConversionTests/Fixtures/checkpoints"

# Bits, type, whether symmetric, strategy, group or block, outputs, inputs.
CASES = {
    "four": (4, "int", True, "group", 32, 20, 96),
    "four_asymmetric": (4, "int", False, "group", 32, 21, 64),
    "four_rows": (4, "int", False, "channel", None, 5, 50),
    "three": (3, "int", False, "group", 32, 20, 64),
    "eight": (8, "int", True, "channel", None, 7, 33),
    "w8": (8, "int", False, "channel", None, 9, 24),
    "w8_tensor": (8, "int", True, "tensor", None, 6, 24),
    "f8": (8, "float", True, "channel", None, 9, 24),
    "f8_tensor": (8, "float", True, "tensor", None, 9, 24),
    "f8_block": (8, "float", True, "block", [8, 16], 24, 32),
}


def scales(args, outputs, inputs, generator):
    shape = {
        "tensor": lambda: (1,),
        "channel": lambda: (outputs, 1),
        "group": lambda: (outputs, inputs // args.group_size),
        "block": lambda: (-(-outputs // args.block_structure[0]), -(-inputs // args.block_structure[1])),
    }[args.strategy]()
    return (torch.rand(shape, generator=generator) * 0.02 + 0.005).bfloat16()


def compressed_tensors(folder):
    os.makedirs(folder, exist_ok=True)
    generator = torch.Generator().manual_seed(5)
    groups, stored, expected = {}, {}, {}
    for name, (bits, kind, symmetric, strategy, size, outputs, inputs) in CASES.items():
        args = QuantizationArgs(
            num_bits=bits, type=kind, symmetric=symmetric, strategy=strategy, group_size=size if strategy == "group" else None,
            block_structure=size if strategy == "block" else None,
        )  # fmt: skip
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        form = "pack-quantized" if name.startswith(("four", "three", "eight")) else "int-quantized" if kind == "int" else "float-quantized"
        compressor = BaseCompressor.get_value_from_registry(form)
        state = {"weight": torch.randn(outputs, inputs, generator=generator) * 0.05}
        state["weight_scale"] = scales(args, outputs, inputs, generator)
        if not symmetric:
            limit = 2 ** (bits - 1)
            state["weight_zero_point"] = torch.randint(-limit, limit, state["weight_scale"].shape, generator=generator).to(torch.int8)
        packed = compressor.compress(state, scheme)
        whole = compressor.decompress({**packed, "weight_scale": packed["weight_scale"].float()}, scheme)["weight"]
        assert whole.dtype == torch.float32 and (whole - state["weight"]).abs().mean() < 1
        stored |= {f"{name}.{leaf}": t.contiguous() for leaf, t in packed.items()}
        expected[f"{name}.weight"] = whole.contiguous()
        groups[f"group_{len(groups)}"] = {**scheme.model_dump(mode="json", exclude_none=True), "format": form}
    # Groups in activation order, as earlier versions wrote them.
    order = torch.randperm(96, generator=generator) // 32
    for leaf in ("weight_packed", "weight_scale", "weight_shape"):
        stored[f"ordered.{leaf}"] = stored[f"four.{leaf}"].clone()
    stored["ordered.weight_g_idx"] = order.int()
    codes = expected["four.weight"] / stored["four.weight_scale"].float().repeat_interleave(32, dim=1)
    expected["ordered.weight"] = codes.round() * stored["four.weight_scale"].float()[:, order]
    stored["plain.weight"] = expected["plain.weight"] = torch.randn(3, 4, generator=generator)
    stored["four.input_scale"] = torch.ones(1)
    config = {"quantization_config": {"quant_method": "compressed-tensors", "format": "mixed-precision", "config_groups": groups}}
    write_json(folder, "config.json", config)
    save_file(stored, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    save_file(expected, os.path.join(folder, "expected.safetensors"))


def fp8(folder):
    os.makedirs(folder, exist_ok=True)
    generator = torch.Generator().manual_seed(6)
    stored, expected = {}, {}
    # Every code but the two that are no numbers.
    codes = torch.tensor([c for c in range(256) if c & 127 != 127] + [0, 1], dtype=torch.uint8).reshape(8, 32).view(torch.float8_e4m3fn)

    def case(name, weight, leaf, scale):
        stored[f"{name}.weight"], stored[f"{name}.{leaf}"] = weight.clone(), scale
        wide = scale.float() if scale.dim() == 2 else scale.float().reshape(-1, 1)
        for axis in (0, 1):
            if wide.shape[axis] not in (1, weight.shape[axis]):
                wide = wide.repeat_interleave((16, 32)[axis], dim=axis)[tuple(slice(weight.shape[a]) if a == axis else slice(None) for a in (0, 1))]
        if wide.shape[1] != 1 and wide.shape[1] != weight.shape[1]:
            raise ValueError(name)
        expected[f"{name}.weight"] = (weight.float() * wide).contiguous()

    case("all", codes, "weight_scale", torch.tensor(0.375))
    case("rows", codes, "weight_scale", torch.rand(8, generator=generator).bfloat16())
    large = (torch.randn(40, 72, generator=generator) * 50).to(torch.float8_e4m3fn)
    case("blocks", large, "weight_scale_inv", torch.rand(3, 3, generator=generator).bfloat16().float())
    case("powers", large, "weight_scale_inv", torch.tensor([2.0**-k for k in range(9)]).reshape(3, 3).to(torch.float8_e8m0fnu))
    stored["cast.weight"] = (torch.randn(4, 4, generator=generator)).to(torch.float8_e5m2)
    expected["cast.weight"] = stored["cast.weight"].float()
    stored["all.input_scale"] = torch.ones(1)
    config = {"quantization_config": {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [16, 32]}}
    write_json(folder, "config.json", config)
    save_file(stored, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    save_file(expected, os.path.join(folder, "expected.safetensors"))


def matrices(name, pattern):
    found = load_file(CHECKPOINTS / name / "checkpoint/model.safetensors")
    return {n.removesuffix(".weight"): t.float() for n, t in sorted(found.items()) if re.fullmatch(pattern, n)}


def save_system(folder, config, stored, expected):
    os.makedirs(folder, exist_ok=True)
    write_json(folder, "config.json", {"quantization_config": config})
    save_file(stored, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    save_file(expected, os.path.join(folder, "expected.safetensors"), metadata={"format": "pt"})


def smolvlm(folder):
    """Groups of 16 with scales for the least and greatest weight, symmetric in the attention, with zero points in the MLPs."""
    stored, expected, groups = {}, {}, {}
    for part, symmetric in (("self_attn", True), ("mlp", False)):
        args = QuantizationArgs(num_bits=4, type="int", symmetric=symmetric, strategy="group", group_size=16)
        scheme = QuantizationScheme(targets=[f"re:.*text_model.*{part}.*"], weights=args)
        groups[f"group_{len(groups)}"] = {**scheme.model_dump(mode="json", exclude_none=True), "format": "pack-quantized"}
        compressor = BaseCompressor.get_value_from_registry("pack-quantized")
        for name, weight in matrices("smolvlm", rf"model\.text_model\.layers\..*\.{part}\..*weight").items():
            state = {"weight": weight}
            parts = weight.unflatten(1, (-1, 16))
            if symmetric:
                state["weight_scale"] = (parts.abs().amax(-1) / 7.5).bfloat16()
            else:
                least, most = parts.amin(-1).clamp(max=0), parts.amax(-1).clamp(min=0)
                state["weight_scale"] = ((most - least) / 15).bfloat16()
                state["weight_zero_point"] = (-8 - least / state["weight_scale"].float()).round().clamp(-8, 7).to(torch.int8)
            packed = compressor.compress(state, scheme)
            whole = compressor.decompress({**packed, "weight_scale": packed["weight_scale"].float()}, scheme)["weight"]
            assert (whole - weight).norm() < 0.2 * weight.norm()
            stored |= {f"{name}.{leaf}": t.contiguous() for leaf, t in packed.items()}
            expected[f"{name}.weight"] = whole.contiguous()
    ignored = ["lm_head", "re:.*vision_model.*", "re:.*connector.*"]
    config = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": groups, "ignore": ignored}
    save_system(folder, config, stored, expected)


def deepseek_ocr(folder):
    """Blocks of 16 x 16, as DeepSeek's own FP8 checkpoints have them: every matrix of the decoder's layers but the routers."""
    stored, expected = {}, {}
    for name, weight in matrices("deepseek_ocr", r"model\.layers\..*_proj\.weight").items():
        blocks = weight.unflatten(1, (-1, 16)).unflatten(0, (-1, 16))
        scale = blocks.abs().amax((1, 3)) / 448
        codes = (blocks / scale[:, None, :, None]).to(torch.float8_e4m3fn)
        whole = codes.float() * scale[:, None, :, None]
        assert (whole - blocks).norm() < 0.05 * blocks.norm()
        stored |= {f"{name}.weight": codes.reshape(weight.shape), f"{name}.weight_scale_inv": scale}
        expected[f"{name}.weight"] = whole.reshape(weight.shape)
    config = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [16, 16]}
    save_system(folder, config, stored, expected)


if __name__ == "__main__":
    compressed_tensors(os.path.join(sys.argv[1], "compressed_tensors"))
    fp8(os.path.join(sys.argv[1], "fp8"))
    smolvlm(os.path.join(sys.argv[1], "smolvlm"))
    deepseek_ocr(os.path.join(sys.argv[1], "deepseek_ocr"))
