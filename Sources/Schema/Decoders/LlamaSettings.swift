// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// Sizes and positions of a LLaMA-style decoder (LLaMA, Vicuna, Mistral, Qwen v1, Qwen2).
package struct LlamaSettings: Settings {
  package static let scope = "language"

  package enum RopeScaling: Spelled {
    /// Positions divided by a factor.
    case linear
    /// LLaMA 3.1: low frequencies scaled, high ones kept.
    case llama3
    /// Dynamic NTK as in Qwen v1: a larger base for prompts longer than the training context.
    case dynamicNTK

    package var spelling: StaticString {
      switch self {
      case .linear: "linear"
      case .llama3: "llama3"
      case .dynamicNTK: "dynamic_ntk"
      }
    }
  }

  package var hiddenSize = 1, intermediateSize = 1, layers = 1
  /// Query heads, and the key/value heads they share (grouped-query attention, arXiv:2305.13245).
  package var heads = 1, kvHeads = 1, headSize = 2
  package var vocabSize = 1
  /// Positions the model was trained for.
  package var contextLength = 1
  package var normEpsilon = 1e-6
  package var tiedHead = false
  package var ropeTheta = 10_000.0
  package var ropeScaling: RopeScaling?
  package var ropeFactor = 1.0, ropeLowFrequencyFactor = 1.0, ropeHighFrequencyFactor = 4.0
  /// Training context before RoPE scaling, in positions.
  package var ropeOriginalContext = 1
  /// Qwen v1's logn scaling: queries past this many positions grow with the logarithm of their position.
  package var lognContext: Int?

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("hiddenSize", &hiddenSize, in: 1...65536, "Width of the decoder's states, and of an image's vectors.")
    try f.int("intermediateSize", &intermediateSize, in: 1...262_144, "Width inside the MLP.")
    try f.int("layers", &layers, in: 1...512, "Blocks.")
    try f.int("heads", &heads, in: 1...1024, "Query heads.")
    try f.divisor("kvHeads", &kvHeads, of: heads, in: 1...1024, "Key and value heads; they divide `language.heads`.")
    try f.int("headSize", &headSize, in: 2...largestHeadSize, "Width of a head; even.")
    try f.int("vocabSize", &vocabSize, in: 1...1_048_576, "Rows of the embedding table.")
    try f.int("contextLength", &contextLength, in: 1...1_048_576, "Positions that the model was trained for.")
    try f.double("normEpsilon", &normEpsilon, in: 0...1, "Added to the mean square in RMSNorm.")
    try f.bool("tiedHead", &tiedHead, default: false, "Whether the embedding table is the output head too.")
    try f.double("ropeTheta", &ropeTheta, in: 1...1e12, "Base of the rotary positions.")
    try f.choice("ropeScaling", &ropeScaling, "How rotary positions are scaled.")
    let isScaled = ropeScaling == .linear || ropeScaling == .llama3
    try f.double(
      "ropeFactor", &ropeFactor, in: 1...1e6, when: .when(isScaled, "`language.ropeScaling` is `linear` or `llama3`"),
      "How far positions are stretched.")
    let hasBands = Condition.when(ropeScaling == .llama3, "`language.ropeScaling` is `llama3`")
    try f.double("ropeLowFrequencyFactor", &ropeLowFrequencyFactor, in: 0...1e6, when: hasBands, "Where the band of scaled wavelengths ends.")
    try f.double("ropeHighFrequencyFactor", &ropeHighFrequencyFactor, in: 0...1e6, when: hasBands, "Where the band of unscaled wavelengths begins.")
    try f.int(
      "ropeOriginalContext", &ropeOriginalContext, in: 1...1_048_576,
      when: .when(ropeScaling == .llama3 || ropeScaling == .dynamicNTK, "`language.ropeScaling` is `llama3` or `dynamic_ntk`"),
      "Positions that the model was trained for before the scaling.")
    try f.int("lognContext", &lognContext, in: 2...1_048_576, "Qwen v1: positions from which queries grow with the logarithm of their position.")
    try f.check(headSize % 2 == 0, "headSize", found: "\(headSize)", expected: "an even number")
  }

  /// Qwen v1's dynamic NTK: the trained length.
  package var ntkContext: Int? { ropeScaling == .dynamicNTK ? ropeOriginalContext : nil }
}
