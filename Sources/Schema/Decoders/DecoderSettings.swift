// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The decoder that a file holds.
package struct DecoderSettings: Settings {
  package static let scope = "language"

  package enum Kind: Spelled {
    /// LLaMA, Vicuna, Mistral, Qwen v1, Qwen2: they differ in biases, head, positions and context only.
    case llama
    case opt

    package var spelling: StaticString {
      switch self {
      case .llama: "llama"
      case .opt: "opt"
      }
    }
  }

  package var kind = Kind.llama
  /// Of the two the one that `kind` names counts.
  package var llama = LlamaSettings()
  package var opt = OPTSettings()

  package init() {}
  package init(_ settings: LlamaSettings) { llama = settings }
  package init(_ settings: OPTSettings) {
    kind = .opt
    opt = settings
  }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.choice("kind", &kind, default: .llama, "The decoder's architecture.")
    try f.part(&llama, scope: "", when: .when(kind == .llama, "`language.kind` is `llama`"))
    try f.part(&opt, scope: "", when: .when(kind == .opt, "`language.kind` is `opt`"))
  }

  package var hiddenSize: Int { kind == .llama ? llama.hiddenSize : opt.hiddenSize }
  package var vocabSize: Int { kind == .llama ? llama.vocabSize : opt.vocabSize }
  package var contextLength: Int { kind == .llama ? llama.contextLength : opt.contextLength }
  package var headSize: Int { kind == .llama ? llama.headSize : opt.headSize }
}
