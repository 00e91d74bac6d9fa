// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Sizes of a toy encoder of SigLIP's kind.
package struct ToyVisionSettings: Settings {
  package static let scope = "toy"

  package var hiddenSize = 1, intermediateSize = 1, layers = 1, heads = 1, imageSize = 1, patchSize = 1
  package var normEpsilon = 1e-6

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("hiddenSize", &hiddenSize, in: 1...16384, "Width of the tower's states.")
    try f.int("intermediateSize", &intermediateSize, in: 1...65536, "Width inside the MLP.")
    try f.int("layers", &layers, in: 1...256, "Blocks.")
    try f.divisor("heads", &heads, of: hiddenSize, in: 1...1024, "Heads.")
    try f.int("imageSize", &imageSize, in: 1...4096, "Side of the square input in pixels.")
    try f.divisor("patchSize", &patchSize, of: imageSize, in: 1...256, "Side of a patch in pixels.")
    try f.double("normEpsilon", &normEpsilon, in: 0...1, "Added to the variance in LayerNorm.")
  }
}
