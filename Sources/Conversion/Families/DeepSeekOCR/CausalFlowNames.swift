// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema
import Shims

/// Tensor names and sizes of DeepSeek-OCR 2's second encoder, a Qwen2 decoder without its embedding.
struct CausalFlowNames {
  static let prefix = "model.qwen2_model.model.model."
  let settings: CausalFlowSettings

  /// Sizes come from its tensors. Heads come from `encoder_config` (transformers), or are of 64 values as the published code says, where rotary
  /// positions have the base of Qwen2-0.5B.
  init(_ plan: CheckpointPlan, _ vision: ConfigReader) throws {
    func shape(_ name: String) throws -> [Int] {
      guard let shape = plan.source.info(Self.prefix + name)?.shape, shape.count == 2 else {
        throw ConversionError.tensors(missing: [Self.prefix + name], unknown: [], misshapen: [])
      }
      return shape
    }
    var s = CausalFlowSettings()
    let query = try shape("layers.0.self_attn.q_proj.weight"), key = try shape("layers.0.self_attn.k_proj.weight")
    s.hiddenSize = query[1]
    s.intermediateSize = try shape("layers.0.mlp.gate_proj.weight")[0]
    s.layers = 0
    while s.layers <= 256, plan.has("\(Self.prefix)layers.\(s.layers).input_layernorm.weight") { s.layers += 1 }
    let encoder = try vision.object("encoder_config")
    let width = try vision.object("width").object("qwen2-0-5b")
    s.heads = try encoder.size("num_attention_heads", default: try width.size("heads", default: max(query[0] / 64, 1)))
    s.headSize = try encoder.size("head_dim", default: max(query[0] / s.heads, 1))
    guard query[0] == s.heads * s.headSize, key[0] > 0, key[0] % s.headSize == 0, s.heads % (key[0] / s.headSize) == 0, s.headSize % 2 == 0,
      s.headSize <= largestHeadSize
    else {
      throw encoder.fail("num_attention_heads", "\(s.heads) heads do not fit projections to \(query[0]) and \(key[0]) values")
    }
    s.kvHeads = key[0] / s.headSize
    s.normEpsilon = try encoder.double("rms_norm_eps", default: 1e-6)
    let rope = try encoder.object("rope_parameters")
    s.ropeTheta = try rope.double("rope_theta", default: try encoder.double("rope_theta", default: vision.has("encoder_config") ? 10_000 : 1_000_000))
    guard try rope.string("rope_type", default: "default") == "default" else { throw rope.fail("rope_type", "only default is supported") }
    guard try encoder.string("hidden_act", default: "silu") == "silu" else { throw encoder.fail("hidden_act", "only silu is supported") }
    guard try !encoder.bool("use_sliding_window", default: false) else { throw encoder.fail("use_sliding_window", "only false is supported") }
    settings = s
  }

  func plan(_ plan: CheckpointPlan) {
    let s = settings
    let (h, q, kv) = (s.hiddenSize, s.heads * s.headSize, s.kvHeads * s.headSize)
    for i in 0..<s.layers {
      let layer = "\(Self.prefix)layers.\(i)."
      let name = "vision.layers.\(i)."
      plan.norm(name + "norm1", h, from: layer + "input_layernorm", hasBias: false)
      plan.linear(
        name + "attn.qkv", .vision, inputs: h,
        parts: [(layer + "self_attn.q_proj", q), (layer + "self_attn.k_proj", kv), (layer + "self_attn.v_proj", kv)], bias: .required)
      plan.linear(name + "attn.out", .vision, inputs: q, parts: [(layer + "self_attn.o_proj", h)], bias: .none)
      plan.norm(name + "norm2", h, from: layer + "post_attention_layernorm", hasBias: false)
      plan.linear(
        name + "mlp.gateUp", .vision, inputs: h,
        parts: [(layer + "mlp.gate_proj", s.intermediateSize), (layer + "mlp.up_proj", s.intermediateSize)], bias: .none)
      plan.linear(name + "mlp.contract", .vision, inputs: s.intermediateSize, parts: [(layer + "mlp.down_proj", h)], bias: .none)
    }
    plan.norm("vision.norm", h, from: Self.prefix + "norm", hasBias: false)
  }
}
