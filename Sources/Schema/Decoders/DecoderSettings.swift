// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The decoder that a file holds.
package struct DecoderSettings: Settings {
  package static let scope = "language"

  package enum Kind: Spelled {
    /// LLaMA, Vicuna, Mistral, Qwen v1, Qwen2: they differ only in biases, tied head, RoPE and context.
    case llama
    /// The same with a mixture of experts: DeepSeek without latent attention.
    case mixture
    case opt

    package var spelling: StaticString {
      switch self {
      case .llama: "llama"
      case .mixture: "mixture"
      case .opt: "opt"
      }
    }
  }

  package var kind = Kind.llama
  /// Only the one that `kind` names is used (`mixture` with `llama`).
  package var llama = LlamaSettings()
  package var mixture = MixtureSettings()
  package var opt = OPTSettings()

  package init() {}
  package init(_ settings: LlamaSettings) { llama = settings }
  package init(_ settings: LlamaSettings, mixture: MixtureSettings) {
    kind = .mixture
    llama = settings
    self.mixture = mixture
  }
  package init(_ settings: OPTSettings) {
    kind = .opt
    opt = settings
  }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.choice("kind", &kind, default: .llama, "The decoder's architecture.")
    try f.part(&llama, scope: "", when: .when(kind != .opt, "`language.kind` is not `opt`"))
    try f.part(&mixture, scope: "mixture", when: .when(kind == .mixture, "`language.kind` is `mixture`"))
    try f.part(&opt, scope: "", when: .when(kind == .opt, "`language.kind` is `opt`"))
  }

  package var hiddenSize: Int { kind == .opt ? opt.hiddenSize : llama.hiddenSize }
  package var vocabSize: Int { kind == .opt ? opt.vocabSize : llama.vocabSize }
  package var contextLength: Int { kind == .opt ? opt.contextLength : llama.contextLength }
  package var headSize: Int { kind == .opt ? opt.headSize : llama.headSize }
}
