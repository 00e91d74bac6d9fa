// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema
import Shims

/// Sizes of a Qwen v1 decoder, with the defaults of its configuration class.
struct QwenV1Config {
  let hiddenSize, layers, heads, headSize, vocabSize, contextLength: Int
  /// Of each of gate and up; the config's number counts both.
  let intermediateSize: Int
  /// The trained length, where dynamic NTK and logn scaling begin.
  let sequenceLength: Int
  let normEpsilon, ropeTheta: Double
  let dynamicNTK, lognScaling, tiedHead: Bool
  /// Whether the projections other than q|k|v have biases.
  let hasBiases: Bool

  init(_ config: ConfigReader, _ plan: CheckpointPlan) throws {
    hiddenSize = try config.size("hidden_size", default: 4096)
    layers = try config.size("num_hidden_layers", default: 32)
    heads = try config.size("num_attention_heads", default: 32)
    headSize = try config.size("kv_channels", default: 128)
    vocabSize = try config.size("vocab_size", default: 151936)
    let both = try config.size("intermediate_size", default: 22016)
    guard both % 2 == 0 else { throw config.fail("intermediate_size", "\(both) is odd; it counts two halves") }
    intermediateSize = both / 2
    guard layers <= 512 else { throw config.fail("num_hidden_layers", "\(layers) is too many") }
    guard heads <= 1024 else { throw config.fail("num_attention_heads", "\(heads) is too many") }
    guard headSize % 2 == 0, headSize <= largestHeadSize else { throw config.fail("kv_channels", "\(headSize) is odd or above \(largestHeadSize)") }
    guard try config.double("rotary_pct", default: 1) == 1 else { throw config.fail("rotary_pct", "only 1.0 is supported") }
    guard try config.bool("scale_attn_weights", default: true) else {
      throw config.fail("scale_attn_weights", "only true is supported")
    }
    sequenceLength = try config.size("seq_length", default: 2048)
    // The original's logn table has this length.
    contextLength = min(try config.size("max_position_embeddings", default: 8192), 32767)
    normEpsilon = try config.double("layer_norm_epsilon", default: 1e-6)
    ropeTheta = try config.double("rotary_emb_base", default: 10000)
    dynamicNTK = try config.bool("use_dynamic_ntk", default: true)
    lognScaling = try config.bool("use_logn_attn", default: true)
    tiedHead = try plan.isTied(
      try config.bool("tie_word_embeddings", default: false), embedding: "transformer.wte.weight", head: "lm_head.weight")
    hasBiases = try !config.bool("no_bias", default: true)
    guard sequenceLength >= 2, sequenceLength <= 1 << 20 else {
      throw config.fail("seq_length", "\(sequenceLength) is not between 2 and 1048576")
    }
  }

  var settings: LlamaSettings {
    var s = LlamaSettings()
    (s.hiddenSize, s.intermediateSize, s.layers) = (hiddenSize, intermediateSize, layers)
    (s.heads, s.kvHeads, s.headSize) = (heads, heads, headSize)
    (s.vocabSize, s.contextLength) = (vocabSize, contextLength)
    (s.normEpsilon, s.ropeTheta, s.tiedHead) = (normEpsilon, ropeTheta, tiedHead)
    if dynamicNTK { (s.ropeScaling, s.ropeOriginalContext) = (.dynamicNTK, sequenceLength) }
    if lognScaling { s.lognContext = sequenceLength }
    return s
  }
}
