// SPDX-License-Identifier: Apache-2.0

/// Tensor names of a LLaMA-type decoder: transformers' to ours.
struct LlamaNames {
  /// Prefix of `embed_tokens.weight`, and the head's full name.
  let prefix, head: String

  /// The first of `layouts` under which an embedding is found, else the first.
  /// - Parameter c: becomes untied where the checkpoint has a separate head.
  init(_ plan: CheckpointPlan, layouts: [(prefix: String, head: String)], _ c: inout TextConfig) throws {
    let found = layouts.first { plan.has($0.prefix + "embed_tokens.weight") } ?? layouts.first
    prefix = found?.prefix ?? ""
    head = found?.head ?? ""
    c.tiedHead = try plan.isTied(c.tiedHead, embedding: prefix + "embed_tokens.weight", head: head)
  }

  /// - Parameter mixture: replaces the feed-forward of blocks after its first `denseLayers`.
  func plan(_ plan: CheckpointPlan, _ c: TextConfig, mixture: MixtureConfig? = nil) {
    let h = c.hiddenSize
    plan.matrix("language.embedding.weight", .embedding, [c.vocabSize, h], from: prefix + "embed_tokens.weight")
    for i in 0..<c.layers {
      let layer = "\(prefix)layers.\(i)."
      let name = "language.layers.\(i)."
      let q = c.heads * c.headSize
      let kv = c.kvHeads * c.headSize
      plan.norm(name + "norm1", h, from: layer + "input_layernorm", hasBias: false)
      plan.linear(
        name + "attn.qkv", .decoder(layer: i, .attentionIn), inputs: h,
        parts: [(layer + "self_attn.q_proj", q), (layer + "self_attn.k_proj", kv), (layer + "self_attn.v_proj", kv)],
        bias: .optional)
      plan.linear(
        name + "attn.out", .decoder(layer: i, .attentionOut), inputs: q, parts: [(layer + "self_attn.o_proj", h)], bias: .optional)
      plan.norm(name + "norm2", h, from: layer + "post_attention_layernorm", hasBias: false)
      if let mixture, i >= mixture.settings.denseLayers {
        mixture.plan(plan, name + "mlp", layer: i, hiddenSize: h, from: layer + "mlp.")
        continue
      }
      plan.linear(
        name + "mlp.gateUp", .decoder(layer: i, .mlpIn), inputs: h,
        parts: [(layer + "mlp.gate_proj", c.intermediateSize), (layer + "mlp.up_proj", c.intermediateSize)], bias: .optional)
      plan.linear(
        name + "mlp.contract", .decoder(layer: i, .mlpOut), inputs: c.intermediateSize, parts: [(layer + "mlp.down_proj", h)],
        bias: .optional)
    }
    plan.norm("language.norm", h, from: prefix + "norm", hasBias: false)
    if !c.tiedHead { plan.matrix("language.head.weight", .head, [c.vocabSize, h], from: head) }
  }

  /// Rotation frequencies in old checkpoints, and the copy of a tied head.
  func isIgnorable(_ name: String, _ c: TextConfig) -> Bool {
    name.hasSuffix("rotary_emb.inv_freq") || (c.tiedHead && name == head)
  }
}
