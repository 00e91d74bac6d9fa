#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what transformers' mixtures of experts, and PyTorch's attention with values narrower than keys, compute for small inputs, as the
Swift source of Tests/RuntimeTests/RoutedFixtures.swift.

usage: python tools/reference/routed_fixtures.py > Tests/RuntimeTests/RoutedFixtures.swift     (needs torch, transformers)
"""

import numpy
import torch
import transformers
from transformers import DeepseekV2Config, DeepseekV3Config, MixtralConfig, Qwen2MoeConfig
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Moe
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.qwen2_moe.modeling_qwen2_moe import Qwen2MoeSparseMoeBlock

HIDDEN, INTERMEDIATE, EXPERTS, TOKENS = 32, 16, 8, 5


def numbers(seed, *shape):
    """Values that f32 holds exactly; the test makes the same."""
    i = torch.arange(int(numpy.prod(shape)), dtype=torch.int64)
    return (((i * i * 3 + i * 37 + seed * 17) % 251) - 125).float().div(512).reshape(shape)


def literal(values):
    lines, line = [], ""
    for v in values.detach().float().flatten().numpy():
        n = (
            numpy.format_float_positional(v, unique=True, trim="0")
            if abs(v) >= 1e-4 or v == 0
            else numpy.format_float_scientific(v, unique=True, trim="0")
        )
        if len(line) + len(n) > 128:
            lines.append(line.rstrip())
            line = ""
        line += n + ", "
    return "[\n" + "\n".join("        " + text for text in lines + [line.rstrip()]) + "\n      ]"


SEEDS = {
    "gate.weight": 1,
    "experts.gate_up_proj": 2,
    "experts.down_proj": 3,
    "gate_proj.weight": 4,
    "up_proj.weight": 5,
    "down_proj.weight": 6,
    "shared_expert_gate.weight": 7,
}


def run(block):
    for name, parameter in block.named_parameters():
        seed = next(seed for end, seed in SEEDS.items() if name == end or name.endswith("." + end) or (end.startswith("experts.") and name == end))
        # Larger for the router: the choices then do not hang on the last bit.
        parameter.data = numbers(seed, *parameter.shape) * (4 if seed == 1 else 1)
    for name, buffer in block.named_buffers():
        buffer.zero_()
    with torch.no_grad():
        return block.eval()(numbers(0, 1, TOKENS, HIDDEN) * 8)[0]


SIZES = dict(hidden_size=HIDDEN, hidden_act="silu", experts_implementation="eager")
DEEPSEEK = dict(
    SIZES,
    intermediate_size=64,
    moe_intermediate_size=INTERMEDIATE,
    n_routed_experts=EXPERTS,
    num_experts=EXPERTS,
    n_shared_experts=2,
    n_group=1,
    topk_group=1,
    num_experts_per_tok=3,
)
CASES = [
    (
        "Mixtral",
        MixtralSparseMoeBlock(MixtralConfig(**SIZES, intermediate_size=INTERMEDIATE, num_local_experts=EXPERTS, num_experts_per_tok=2)),
        ".softmax, expertsPerToken: 2, renormalises: true",
        0,
        "false",
    ),
    (
        "Qwen2-MoE",
        Qwen2MoeSparseMoeBlock(
            Qwen2MoeConfig(
                **SIZES,
                moe_intermediate_size=INTERMEDIATE,
                shared_expert_intermediate_size=24,
                num_experts=EXPERTS,
                num_experts_per_tok=4,
                norm_topk_prob=False,
            )
        ),
        ".softmax, expertsPerToken: 4, renormalises: false",
        24,
        "true",
    ),
    (
        "DeepSeek-V2",
        DeepseekV2Moe(DeepseekV2Config(**DEEPSEEK, topk_method="greedy", norm_topk_prob=False, routed_scaling_factor=1.5)),
        ".softmax, expertsPerToken: 3, renormalises: false, scale: 1.5",
        32,
        "false",
    ),
    (
        "DeepSeek-V3",
        DeepseekV3MoE(DeepseekV3Config(**DEEPSEEK, norm_topk_prob=True, routed_scaling_factor=2.5)),
        ".sigmoid, expertsPerToken: 3, renormalises: true, scale: 2.5",
        32,
        "false",
    ),
]


def attention():
    """Causal attention of 7 positions, 4 heads on 2 key heads, in f32."""
    for key_size, value_size in ((24, 16), (16, 24)):
        q, k, v = numbers(11, 1, 7, 4, key_size), numbers(12, 1, 7, 2, key_size), numbers(13, 1, 7, 2, value_size)
        y = torch.nn.functional.scaled_dot_product_attention(
            q.transpose(1, 2) * 8, k.transpose(1, 2).repeat_interleave(2, 1) * 8, v.transpose(1, 2).repeat_interleave(2, 1), is_causal=True
        )
        print(f"    Attention(\n      keySize: {key_size}, valueSize: {value_size}, expected: {literal(y[0].transpose(0, 1))}),")


print(f"""// SPDX-License-Identifier: Apache-2.0
// Made by tools/reference/routed_fixtures.py with torch {torch.__version__.split("+")[0]} and transformers {transformers.__version__}.
import Runtime

enum RoutedFixtures {{
  static let hiddenSize = {HIDDEN}, intermediateSize = {INTERMEDIATE}, experts = {EXPERTS}, tokens = {TOKENS}

  struct Case: Sendable {{
    let name: String
    let routing: ExpertRouting
    /// Of the shared expert; 0: none.
    let sharedSize: Int
    let hasSharedGate: Bool
    /// `[tokens, hiddenSize]`
    let expected: [Float]
  }}

  struct Attention: Sendable {{
    let keySize, valueSize: Int
    /// `[7, 4·valueSize]`
    let expected: [Float]
  }}

  static let cases: [Case] = [""")
for name, block, routing, shared, gate in CASES:
    print(
        f'    Case(\n      name: "{name}", routing: ExpertRouting(scores: {routing}), sharedSize: {shared}, hasSharedGate: {gate},\n'
        f"      expected: {literal(run(block))}),"
    )
print("  ]\n\n  static let attentions: [Attention] = [")
attention()
print("  ]\n}")
