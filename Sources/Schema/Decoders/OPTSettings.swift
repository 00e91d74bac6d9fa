// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Sizes of an OPT decoder.
package struct OPTSettings: Settings {
  package static let scope = "language"

  package var hiddenSize = 1, intermediateSize = 1, layers = 1, heads = 1, vocabSize = 1
  /// Positions that have a learned vector.
  package var contextLength = 1
  package var normEpsilon = 1e-5
  package var tiedHead = true

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("hiddenSize", &hiddenSize, in: 1...65536, "Width of the decoder's states, and of an image's vectors.")
    try f.int("intermediateSize", &intermediateSize, in: 1...262_144, "Width inside the MLP.")
    try f.int("layers", &layers, in: 1...512, "Blocks.")
    try f.heads("heads", &heads, of: hiddenSize, "Heads; they divide `language.hiddenSize` into 256 or less.")
    try f.int("vocabSize", &vocabSize, in: 1...1_048_576, "Rows of the embedding table.")
    try f.int("contextLength", &contextLength, in: 1...1_048_576, "Positions that have a learned vector.")
    try f.double("normEpsilon", &normEpsilon, in: 0...1, "Added to the variance in LayerNorm.")
    try f.bool("tiedHead", &tiedHead, default: true, "Whether the embedding table is the output head too.")
  }

  package var headSize: Int { hiddenSize / heads }
}
