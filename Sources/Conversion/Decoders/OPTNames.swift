// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema
import Shims

/// Tensor names of an OPT decoder: transformers' to ours.
struct OPTNames {
  static let prefix = "model.decoder."
  let hiddenSize, intermediateSize, layers, heads, vocabSize: Int
  /// Rows of the position table: two more than positions.
  let positionRows: Int
  let tiedHead: Bool

  init(_ config: ConfigReader, _ plan: CheckpointPlan) throws {
    hiddenSize = try config.size("hidden_size", default: 768)
    intermediateSize = try config.size("ffn_dim", default: 3072)
    layers = try config.size("num_hidden_layers", default: 12)
    heads = try config.size("num_attention_heads", default: 12)
    guard layers <= 512, hiddenSize % heads == 0, hiddenSize / heads <= largestHeadSize else {
      throw config.fail("num_attention_heads", "\(heads) heads of at most \(largestHeadSize) do not make \(hiddenSize), or too many layers")
    }
    guard try config.size("word_embed_proj_dim", default: hiddenSize) == hiddenSize else {
      throw config.fail("word_embed_proj_dim", "only hidden_size is supported")
    }
    guard try config.bool("do_layer_norm_before", default: true), try config.bool("enable_bias", default: true),
      try config.string("activation_function", default: "relu") == "relu"
    else { throw config.fail("do_layer_norm_before", "only pre-norm blocks with biases and relu are supported") }
    // Sizes come from the tensors: these configs kept values of the model they started from.
    vocabSize = plan.source.info(Self.prefix + "embed_tokens.weight")?.rows ?? 0
    positionRows = plan.source.info(Self.prefix + "embed_positions.weight")?.rows ?? 0
    guard vocabSize > 0, positionRows > 2, vocabSize <= 1 << 20, positionRows <= 1 << 20 else {
      throw ConversionError.tensors(
        missing: ["embed_tokens.weight", "embed_positions.weight"].map { Self.prefix + $0 }.filter { !plan.has($0) }, unknown: [],
        misshapen: [])
    }
    tiedHead = try plan.isTied(
      try config.bool("tie_word_embeddings", default: true) || !plan.has("lm_head.weight"), embedding: Self.prefix + "embed_tokens.weight",
      head: "lm_head.weight")
  }

  func plan(_ plan: CheckpointPlan) {
    let h = hiddenSize
    plan.matrix("language.embedding.weight", .embedding, [vocabSize, h], from: Self.prefix + "embed_tokens.weight")
    plan.table(
      "language.position", [positionRows - 2, h], from: Self.prefix + "embed_positions.weight", sourceShape: [positionRows, h], firstRow: 2)
    for i in 0..<layers {
      let source = "\(Self.prefix)layers.\(i)."
      let name = "language.layers.\(i)."
      plan.norm(name + "norm1", h, from: source + "self_attn_layer_norm", hasBias: true)
      plan.linear(
        name + "attn.qkv", .decoder(layer: i, .attentionIn), inputs: h,
        parts: ["q", "k", "v"].map { ("\(source)self_attn.\($0)_proj", h) }, bias: .required)
      plan.linear(
        name + "attn.out", .decoder(layer: i, .attentionOut), inputs: h, parts: [(source + "self_attn.out_proj", h)], bias: .required)
      plan.norm(name + "norm2", h, from: source + "final_layer_norm", hasBias: true)
      plan.linear(
        name + "mlp.expand", .decoder(layer: i, .mlpIn), inputs: h, parts: [(source + "fc1", intermediateSize)], bias: .required)
      plan.linear(
        name + "mlp.contract", .decoder(layer: i, .mlpOut), inputs: intermediateSize, parts: [(source + "fc2", h)], bias: .required)
    }
    plan.norm("language.norm", h, from: Self.prefix + "final_layer_norm", hasBias: true)
    if !tiedHead { plan.matrix("language.head.weight", .head, [vocabSize, h], from: "lm_head.weight") }
  }

  /// With a tied head, some files hold a copy of it.
  func isIgnorable(_ name: String) -> Bool { tiedHead && name == "lm_head.weight" }

  var settings: OPTSettings {
    var s = OPTSettings()
    (s.hiddenSize, s.intermediateSize, s.layers, s.heads) = (hiddenSize, intermediateSize, layers, heads)
    (s.vocabSize, s.contextLength) = (vocabSize, positionRows - 2)
    s.tiedHead = tiedHead
    return s
  }
}
