// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// An `mmproj` file of DeepSeek-OCR or DeepSeek-OCR 2 (projector "deepseekocr", "deepseekocr2"), and the experts of their decoder
/// ("deepseek2-ocr"): the published names and configs.
enum GGUFDeepSeek {
  static let architecture = "deepseek2-ocr"

  static func towerName(_ name: String, isSecond: Bool) -> String {
    let words = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard words.count > 1 else { return name }
    let (first, last) = (words[1], words[words.count - 1])
    switch (words[0], first) {
    case ("mm", "model") where words.count == 4 && words[2] == "fc": return "model.projector.layers.\(last)"
    case ("v", "image_newline"): return "model.image_newline"
    case ("v", "view_seperator"): return "model.view_seperator"
    case ("v", "sam"): return samName(Array(words.dropFirst(2))).map { "model.sam_model." + $0 } ?? name
    case ("v", "blk") where words.count == 5:
      guard let part = (isSecond ? flowParts : clipParts)[words[3]] else { return name }
      return (isSecond ? CausalFlowNames.prefix + "layers." : SerialCLIPNames.prefix + "transformer.layers.") + "\(words[2]).\(part).\(last)"
    case ("v", "post_ln") where isSecond: return CausalFlowNames.prefix + "norm.\(last)"
    case ("v", "resample_query_768") where isSecond: return "model.qwen2_model.query_768.\(last)"
    case ("v", "resample_query_1024") where isSecond: return "model.qwen2_model.query_1024.\(last)"
    case ("v", "class_embd"): return SerialCLIPNames.prefix + "embeddings.class_embedding"
    case ("v", "patch_embd"): return SerialCLIPNames.prefix + "embeddings.patch_embedding.\(last)"
    case ("v", "position_embd"): return SerialCLIPNames.prefix + "embeddings.position_embedding.\(last)"
    case ("v", "pre_ln"): return SerialCLIPNames.prefix + "pre_layrnorm.\(last)"
    default: return name
    }
  }

  /// - Parameter words: of the name behind `v.sam`.
  private static func samName(_ words: [String]) -> String? {
    guard let first = words.first, let last = words.last else { return nil }
    switch first {
    case "pos_embd": return "pos_embed"
    case "patch_embd": return "patch_embed.proj.\(last)"
    case "neck", "net_2", "net_3": return words.joined(separator: ".")
    case "blk":
      guard words.count > 3, let part = samParts[words[2..<words.count - 1].joined(separator: ".")] else { return nil }
      return "blocks.\(words[1]).\(part)" + (part.contains("rel_pos") ? "" : "." + last)
    default: return nil
    }
  }

  private static let samParts = [
    "pre_ln": "norm1", "post_ln": "norm2", "attn.qkv": "attn.qkv", "attn.out": "attn.proj", "attn.pos_h": "attn.rel_pos_h",
    "attn.pos_w": "attn.rel_pos_w", "mlp.lin1": "mlp.lin1", "mlp.lin2": "mlp.lin2",
  ]
  private static let clipParts = [
    "ln1": "layer_norm1", "ln2": "layer_norm2", "attn_qkv": "self_attn.qkv_proj", "attn_out": "self_attn.out_proj", "ffn_up": "mlp.fc1",
    "ffn_down": "mlp.fc2",
  ]
  private static let flowParts = [
    "ln1": "input_layernorm", "ln2": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_out": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
  ]

  /// The published config.json.
  static func config(decoder: [(key: String, value: JSONValue)], _ vision: ConfigReader, isSecond: Bool) throws -> JSONValue {
    let (least, most) = (try vision.int("clip.vision.preproc_min_tiles", default: 2), isSecond ? 6 : 9)
    let found = try vision.int("clip.vision.preproc_max_tiles", default: most)
    guard least == 2, found == most else {
      throw vision.fail("clip.vision.preproc_max_tiles", "\(least) to \(found) tiles are not supported, only 2 to \(most)")
    }
    let heads = JSONValue.object([("heads", .int(Int64(try vision.size("clip.vision.attention.head_count"))))])
    return .object([
      ("architectures", .array([.string(isSecond ? "DeepseekOCR2ForCausalLM" : "DeepseekOCRForCausalLM")])),
      ("language_config", .object(decoder)), ("projector_config", .object([("projector_type", .string("linear"))])),
      ("vision_config", .object([("width", .object([(isSecond ? "qwen2-0-5b" : "clip-l-14-224", heads)]))])),
    ])
  }

  /// The decoder's mixture of experts as its config has it.
  static func mixture(_ settings: ConfigReader) throws -> [(key: String, value: JSONValue)] {
    func size(_ key: String, _ fallback: Int? = nil) throws -> JSONValue {
      .int(Int64(try settings.size("\(architecture).\(key)", default: fallback, allowZero: true)))
    }
    let groups = try settings.int("\(architecture).expert_group_count", default: 1)
    // 0: not said.
    let scores = try settings.int("\(architecture).expert_gating_func", default: 1)
    guard (0...2).contains(scores) else { throw settings.fail("\(architecture).expert_gating_func", "\(scores) is not supported") }
    return [
      ("use_mla", .bool(false)), ("first_k_dense_replace", try size("leading_dense_block_count", 0)),
      ("n_routed_experts", try size("expert_count")), ("num_experts_per_tok", try size("expert_used_count")),
      ("moe_intermediate_size", try size("expert_feed_forward_length")), ("n_shared_experts", try size("expert_shared_count", 0)),
      ("n_group", .int(Int64(groups))), ("topk_method", .string(groups > 1 ? "group_limited_greedy" : "greedy")),
      ("scoring_func", .string(scores == 2 ? "sigmoid" : "softmax")),
      ("norm_topk_prob", .bool(try settings.bool("\(architecture).expert_weights_norm", default: false))),
      ("routed_scaling_factor", .double(GGUFConfig.decimal(try settings.double("\(architecture).expert_weights_scale", default: 1)))),
    ]
  }
}
