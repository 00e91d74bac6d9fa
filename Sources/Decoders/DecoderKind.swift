// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// The decoders that a weight file can hold, named by `language.kind`; absent: `llama`.
package enum DecoderKind {
  /// LLaMA, Vicuna, Mistral, Qwen v1, Qwen2: they differ in biases, head, positions and context only.
  case llama
  case opt

  package init(_ m: Metadata) throws(WeightFileError) {
    let name = m.string("language.kind") ?? "llama"
    if name.utf8.elementsEqual("llama".utf8) {
      self = .llama
    } else if name.utf8.elementsEqual("opt".utf8) {
      self = .opt
    } else {
      throw m.mismatch("language.kind", found: name, expected: "llama or opt")
    }
  }

  /// - Parameter w: the scope `language`.
  package func decoder(_ w: Weights, _ m: Metadata) throws(WeightFileError) -> Decoder {
    switch self {
    case .llama: try LlamaModel(w, m)
    case .opt: try OPTModel(w, m)
    }
  }

  package func footprint(_ m: Metadata) throws(WeightFileError) -> DecoderFootprint {
    switch self {
    case .llama: try LlamaConfig(m).footprint
    case .opt: try OPTConfig(m).footprint
    }
  }
}
