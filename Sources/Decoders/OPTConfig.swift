// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// Sizes of an OPT decoder, read from the `language.*` metadata of a weight file.
package struct OPTConfig {
  package let hiddenSize, intermediateSize, layers, heads, vocabSize: Int
  /// Positions that have a learned vector.
  package let contextLength: Int
  package let normEpsilon: Float
  package let tiedHead: Bool
  /// What keys and values are kept as where nothing else is asked for.
  package let cacheType: CacheType

  package var headSize: Int { hiddenSize / heads }

  package init(_ m: Metadata) throws(WeightFileError) {
    hiddenSize = try m.requireInt("language.hiddenSize", in: 1...65536)
    intermediateSize = try m.requireInt("language.intermediateSize", in: 1...262_144)
    layers = try m.requireInt("language.layers", in: 1...512)
    heads = try m.requireDivisor("language.heads", of: hiddenSize, in: 1...1024)
    vocabSize = try m.requireInt("language.vocabSize", in: 1...1_048_576)
    contextLength = try m.requireInt("language.contextLength", in: 1...1_048_576)
    normEpsilon = Float(try m.requireDouble("language.normEpsilon"))
    tiedHead = m.bool("language.tiedHead") ?? true
    cacheType = CacheType(m)
    guard hiddenSize / heads <= 256 else {
      throw m.mismatch("language.heads", found: "\(heads)", expected: "head size of at most 256")
    }
  }

  package var footprint: DecoderFootprint {
    DecoderFootprint(
      contextLength: contextLength, layers: layers, kvHeads: heads, headSize: headSize, cacheType: cacheType,
      scratchBytesPerPosition: (8 * hiddenSize + 2 * intermediateSize) * MemoryLayout<Float>.stride, logitBytes: 8 * vocabSize)
  }
}
