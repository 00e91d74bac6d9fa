// SPDX-License-Identifier: Apache-2.0

/// Tensor names of a Qwen v1 decoder (`transformer.h.…`): its own code's to ours.
enum QwenV1Names {
  static func plan(_ plan: CheckpointPlan, _ c: QwenV1Config) {
    let h = c.hiddenSize
    let width = c.heads * c.headSize
    let others: CheckpointPlan.Bias = c.hasBiases ? .required : .none
    plan.matrix("language.embedding.weight", .embedding, [c.vocabSize, h], from: "transformer.wte.weight")
    for i in 0..<c.layers {
      let layer = "transformer.h.\(i)."
      let name = "language.layers.\(i)."
      plan.norm(name + "norm1", h, from: layer + "ln_1", hasBias: false)
      plan.linear(
        name + "attn.qkv", .decoder(layer: i, .attentionIn), inputs: h, parts: [(layer + "attn.c_attn", 3 * width)], bias: .required)
      plan.linear(
        name + "attn.out", .decoder(layer: i, .attentionOut), inputs: width, parts: [(layer + "attn.c_proj", h)], bias: others)
      plan.norm(name + "norm2", h, from: layer + "ln_2", hasBias: false)
      // w1(x) · SiLU(w2(x)): w2 is the gate, and the gate's rows come first in ours.
      plan.linear(
        name + "mlp.gateUp", .decoder(layer: i, .mlpIn), inputs: h,
        parts: [(layer + "mlp.w2", c.intermediateSize), (layer + "mlp.w1", c.intermediateSize)], bias: others)
      plan.linear(
        name + "mlp.contract", .decoder(layer: i, .mlpOut), inputs: c.intermediateSize, parts: [(layer + "mlp.c_proj", h)],
        bias: others)
    }
    plan.norm("language.norm", h, from: "transformer.ln_f", hasBias: false)
    if !c.tiedHead { plan.matrix("language.head.weight", .head, [c.vocabSize, h], from: "lm_head.weight") }
  }

  /// Tables in old checkpoints, and the copy of a tied head.
  static func isIgnorable(_ name: String, _ c: QwenV1Config) -> Bool {
    name.hasSuffix("rotary_emb.inv_freq") || name.hasSuffix(".attn.masked_bias") || name.hasSuffix(".attn.bias")
      || (c.tiedHead && name == "lm_head.weight")
  }
}
