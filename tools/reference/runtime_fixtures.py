#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what PyTorch and transformers compute for small inputs, as the Swift source of Tests/RuntimeTests/TorchFixtures.swift.

usage: python tools/reference/runtime_fixtures.py > Tests/RuntimeTests/TorchFixtures.swift     (needs torch, transformers)
"""

import numpy
import torch
import torch.nn.functional as F
import transformers
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb


def feature_map(height, width, channels):
    """[height, width, channels], values that f32 holds exactly; the test makes the same."""
    i = torch.arange(height * width * channels)
    return ((i * 37 + 11) % 101).float().div(32).sub(1.5).reshape(height, width, channels)


def literal(values):
    numbers = [
        numpy.format_float_positional(v, unique=True, trim="0")
        if abs(v) >= 1e-4 or v == 0
        else numpy.format_float_scientific(v, unique=True, trim="0")
        for v in torch.as_tensor(values).detach().float().flatten().numpy()
    ]
    lines, line = [], ""
    for n in numbers:
        if len(line) + len(n) > 128:
            lines.append(line.rstrip())
            line = ""
        line += n + ", "
    lines.append(line.rstrip())
    return "[\n" + "\n".join("        " + text for text in lines) + "\n      ]"


def on_map(operation, height, width, channels=2):
    x = feature_map(height, width, channels).permute(2, 0, 1)[None]
    return operation(x)[0].permute(1, 2, 0)


def interpolation():
    print("  static let interpolations: [Resize] = [")
    for mode in ("bicubic", "bilinear", "nearest"):
        for h, w, to_h, to_w in ((4, 5, 7, 3), (3, 2, 6, 6), (1, 1, 2, 3)):
            options = {} if mode == "nearest" else {"align_corners": False}
            y = on_map(lambda x: F.interpolate(x, size=(to_h, to_w), mode=mode, **options), h, w)
            print(f"    Resize(\n      .{mode}, {h}, {w}, {to_h}, {to_w},\n      {literal(y)}),")
    print("  ]\n")


def pooling():
    print("  static let adaptivePools: [Resize] = [")
    for h, w, to_h, to_w in ((7, 5, 3, 4), (5, 6, 1, 1), (3, 4, 5, 4)):
        y = on_map(lambda x: F.adaptive_avg_pool2d(x, (to_h, to_w)), h, w)
        print(f"    Resize(\n      nil, {h}, {w}, {to_h}, {to_w},\n      {literal(y)}),")
    print("  ]\n")
    print("  static let windowPools: [Resize] = [")
    for h, w, s in ((7, 6, 2), (6, 7, 3)):
        y = on_map(lambda x: F.avg_pool2d(x, s), h, w)
        print(f"    Resize(\n      nil, {h}, {w}, {y.shape[0]}, {y.shape[1]},\n      {literal(y)}),")
    print("  ]\n")


def rotary():
    cases = (
        (64, 10000.0, {"rope_type": "default"}, ".none"),
        (32, 10000.0, {"rope_type": "linear", "factor": 4.0}, ".linear(factor: 4)"),
        (
            32,
            500000.0,
            {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
            ".llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)",
        ),
    )
    print("  static let rotations: [Rotation] = [")
    for size, theta, scaling, swift in cases:
        config = LlamaConfig(
            hidden_size=2 * size,
            num_attention_heads=2,
            head_dim=size,
            max_position_embeddings=131072,
            rope_parameters={"rope_theta": theta, **scaling},
        )
        rope = LlamaRotaryEmbedding(config)
        positions = torch.tensor([[0, 1, 7, 2047]])
        q = feature_map(4, 2, size).permute(1, 0, 2)[None]  # [1, heads, positions, size]
        cos, sin = rope(q, positions)
        turned, _ = apply_rotary_pos_emb(q, q, cos, sin)
        print(
            f"    Rotation(\n      {size}, {theta}, {swift},\n      frequencies: {literal(rope.inv_freq)},\n"
            f"      turned: {literal(turned[0].permute(1, 0, 2))}),"
        )
    print("  ]")


print(f"""// SPDX-License-Identifier: Apache-2.0
// Made by tools/reference/runtime_fixtures.py with torch {torch.__version__.split("+")[0]} and transformers {transformers.__version__}.
import Runtime

enum TorchFixtures {{
  struct Resize: Sendable {{
    let mode: Interpolation?
    let height, width, toHeight, toWidth: Int
    /// `[toHeight·toWidth, 2]`
    let expected: [Float]

    init(_ mode: Interpolation?, _ height: Int, _ width: Int, _ toHeight: Int, _ toWidth: Int, _ expected: [Float]) {{
      self.mode = mode
      self.height = height
      self.width = width
      self.toHeight = toHeight
      self.toWidth = toWidth
      self.expected = expected
    }}
  }}

  struct Rotation: Sendable {{
    let headSize: Int
    let theta: Float
    let scaling: RotaryEmbedding.Scaling
    /// Angle per position, `[headSize/2]`
    let frequencies: [Float]
    /// Two heads at positions 0, 1, 7, 2047: `[4, 2, headSize]`
    let turned: [Float]

    init(_ headSize: Int, _ theta: Float, _ scaling: RotaryEmbedding.Scaling, frequencies: [Float], turned: [Float]) {{
      self.headSize = headSize
      self.theta = theta
      self.scaling = scaling
      self.frequencies = frequencies
      self.turned = turned
    }}
  }}
""")
interpolation()
pooling()
rotary()
print("}")
