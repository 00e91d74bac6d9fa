// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// Sizes and positions of a LLaMA-style decoder (LLaMA, Vicuna, Mistral, Qwen v1, Qwen2), read from the `language.*` metadata of a weight file.
package struct LlamaConfig {
  package let hiddenSize, intermediateSize, layers: Int
  /// Query heads, and the key/value heads they share (grouped-query attention, arXiv:2305.13245).
  package let heads, kvHeads, headSize: Int
  package let vocabSize: Int
  /// Positions the model was trained for.
  package let contextLength: Int
  package let normEpsilon: Float
  package let tiedHead: Bool
  package let ropeTheta: Float
  package let ropeScaling: RotaryEmbedding.Scaling
  /// Prompts longer than this many positions are turned with a larger base (`DynamicNTK`).
  package let ntkContext: Int?
  /// Queries past this many positions grow with the logarithm of their position (`LogNScaling`).
  package let lognContext: Int?
  /// What keys and values are kept as where nothing else is asked for.
  package let cacheType: CacheType

  package init(_ m: Metadata) throws(WeightFileError) {
    hiddenSize = try m.requireInt("language.hiddenSize", in: 1...65536)
    intermediateSize = try m.requireInt("language.intermediateSize", in: 1...262_144)
    layers = try m.requireInt("language.layers", in: 1...512)
    heads = try m.requireInt("language.heads", in: 1...1024)
    kvHeads = try m.requireDivisor("language.kvHeads", of: heads, in: 1...1024)
    headSize = try m.requireInt("language.headSize", in: 2...256)
    vocabSize = try m.requireInt("language.vocabSize", in: 1...1_048_576)
    contextLength = try m.requireInt("language.contextLength", in: 1...1_048_576)
    normEpsilon = Float(try m.requireDouble("language.normEpsilon"))
    tiedHead = m.bool("language.tiedHead") ?? false
    ropeTheta = Float(try m.requireDouble("language.ropeTheta"))
    ropeScaling = try Self.scaling(m)
    ntkContext = try Self.ntkContext(m)
    cacheType = CacheType(m)
    lognContext = m.value("language.lognContext") != nil ? try m.requireInt("language.lognContext", in: 2...1_048_576) : nil
    guard headSize % 2 == 0 else {
      throw m.mismatch("language.headSize", found: "\(headSize)", expected: "an even number")
    }
  }

  package var footprint: DecoderFootprint {
    DecoderFootprint(
      contextLength: contextLength, layers: layers, kvHeads: kvHeads, headSize: headSize, cacheType: cacheType,
      scratchBytesPerPosition: (8 * hiddenSize + 3 * intermediateSize) * MemoryLayout<Float>.stride, logitBytes: 56 * vocabSize)
  }

  private static func isNTK(_ m: Metadata) -> Bool {
    (m.string("language.ropeScaling") ?? "").utf8.elementsEqual("dynamic_ntk".utf8)
  }

  private static func ntkContext(_ m: Metadata) throws(WeightFileError) -> Int? {
    isNTK(m) ? try m.requireInt("language.ropeOriginalContext", in: 1...1_048_576) : nil
  }

  /// `language.ropeScaling`: absent, "linear", "llama3" or "dynamic_ntk", with its numbers.
  private static func scaling(_ m: Metadata) throws(WeightFileError) -> RotaryEmbedding.Scaling {
    guard let kind = m.string("language.ropeScaling"), !isNTK(m) else { return .none }
    let factor = Float(try m.requireDouble("language.ropeFactor"))
    guard factor >= 1, factor.isFinite else {
      throw m.mismatch("language.ropeFactor", found: "\(factor)", expected: "a number of at least 1")
    }
    if kind.utf8.elementsEqual("linear".utf8) { return .linear(factor: factor) }
    guard kind.utf8.elementsEqual("llama3".utf8) else {
      throw m.mismatch("language.ropeScaling", found: kind, expected: "linear, llama3 or dynamic_ntk")
    }
    return .llama3(
      factor: factor, lowFrequencyFactor: Float(try m.requireDouble("language.ropeLowFrequencyFactor")),
      highFrequencyFactor: Float(try m.requireDouble("language.ropeHighFrequencyFactor")),
      originalContext: try m.requireInt("language.ropeOriginalContext", in: 1...1_048_576))
  }
}
