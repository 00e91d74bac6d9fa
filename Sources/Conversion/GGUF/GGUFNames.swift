// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// GGUF's tensor names, mapped to those of transformers and the original LLaVA.
struct GGUFNames {
  /// Prefix of `layers.0.`, and the head's full name.
  let decoder: String, head: String
  /// Prefix of `encoder.layers.0.`; the projector's names by those of GGUF.
  var tower = ""
  var others: [String: String] = [:]

  /// nil: the RoPE factors, which go into the config.
  func decoderName(_ name: String) -> String? {
    switch name {
    case "token_embd.weight": decoder + "embed_tokens.weight"
    case "output_norm.weight": decoder + "norm.weight"
    case "output.weight": head
    case "rope_freqs.weight": nil
    default: layered(name, decoder + "layers.", Self.decoderParts)
    }
  }

  /// - Parameter isSwapped: whether `ffn_down` is the first matrix of the feed-forward, as in files of the older converter.
  func towerName(_ name: String, isSwapped: Bool) -> String {
    if let other = others[name] { return other }
    guard name.hasPrefix("v.") else { return name }
    let rest = String(name.dropFirst(2))
    let module = rest.split(separator: ".").dropLast().joined(separator: ".")
    let kind = rest.hasSuffix(".bias") ? ".bias" : ".weight"
    switch module.isEmpty ? rest : module {
    case "class_embd": return tower + "embeddings.class_embedding"
    case "patch_embd": return tower + "embeddings.patch_embedding" + kind
    case "position_embd": return tower + "embeddings.position_embedding" + kind
    case "pre_ln": return tower + "pre_layrnorm" + kind
    case "post_ln": return tower + "post_layernorm" + kind
    default:
      var parts = Self.towerParts
      if isSwapped { (parts["ffn_up"], parts["ffn_down"]) = (parts["ffn_down"], parts["ffn_up"]) }
      return layered(rest, tower + "encoder.layers.", parts)
    }
  }

  /// `blk.3.attn_q.weight` and the like; a name of unknown form is kept, and reported as unknown later.
  private func layered(_ name: String, _ prefix: String, _ parts: [String: String]) -> String {
    let words = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if words.count == 5, words[0] == "blk", let part = Self.expertParts[words[2]] {
      return "\(prefix)\(words[1]).mlp.experts.\(words[3]).\(part).\(words[4])"
    }
    guard words.count == 4, words[0] == "blk", let part = parts[words[2]] else { return name }
    return "\(prefix)\(words[1]).\(part).\(words[3])"
  }

  private static let decoderParts = [
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate", "ffn_gate_shexp": "mlp.shared_experts.gate_proj",
    "ffn_up_shexp": "mlp.shared_experts.up_proj", "ffn_down_shexp": "mlp.shared_experts.down_proj",
  ]
  /// Of `blk.3.ffn_gate_exps.7.weight`, as `GGUFFile` names the matrix of one expert.
  private static let expertParts = ["ffn_gate_exps": "gate_proj", "ffn_up_exps": "up_proj", "ffn_down_exps": "down_proj"]
  private static let towerParts = [
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_out": "self_attn.out_proj",
    "ln1": "layer_norm1", "ln2": "layer_norm2", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2",
  ]
}

/// LLaMA's queries and keys with each head's rows in transformers' order. GGUF keeps the two elements of a RoPE pair adjacent,
/// transformers keeps them in the two halves of a head.
final class RotaryLayoutSource: TensorSource {
  private let base: any TensorSource
  /// Rows per head, of the affected tensors.
  private let headSizes: [String: Int]

  init(_ base: any TensorSource, headSizes: [String: Int]) {
    self.base = base
    self.headSizes = headSizes
  }

  var tensors: [TensorInfo] { base.tensors }
  func info(_ name: String) -> TensorInfo? { base.info(name) }
  func release(_ name: String) { base.release(name) }

  func read(_ name: String, rows: Range<Int>, into out: UnsafeMutablePointer<Float>) throws {
    guard let size = headSizes[name], let info = base.info(name), info.rows % size == 0 else {
      return try base.read(name, rows: rows, into: out)
    }
    for row in rows {
      let (head, place) = row.quotientAndRemainder(dividingBy: size)
      let paired = head * size + place % (size / 2) * 2 + place / (size / 2)
      try base.read(name, rows: paired..<paired + 1, into: out + (row - rows.lowerBound) * info.rowSize)
    }
  }
}
