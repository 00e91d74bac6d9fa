// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Sizes of a DINOv2 vision transformer.
package struct DINOv2Settings: Settings {
  package static let scope = "local"

  package var hiddenSize = 1, intermediateSize = 1
  /// Blocks stored in the file: those that lead to the features a system takes.
  package var layers = 1
  package var heads = 1
  /// Side of the square input in pixels, and of one patch.
  package var tileSide = 1, patchSize = 1
  /// Side of the stored table of positions, in patches.
  package var positionSide = 1
  package var normEpsilon = 1e-6
  /// True: features are normed after the last block.
  package var normsOutput = true

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("hiddenSize", &hiddenSize, in: 1...16384, "Width of the tower's states.")
    try f.int("intermediateSize", &intermediateSize, in: 1...65536, "Width inside the MLP.")
    try f.int("layers", &layers, in: 1...256, "Blocks up to the layer whose states are the features.")
    try f.heads("heads", &heads, of: hiddenSize, "Heads; they divide the width into 256 or less.")
    try f.int("tileSide", &tileSide, in: 1...4096, "Side of the square input in pixels.")
    try f.divisor("patchSize", &patchSize, of: tileSide, in: 1...256, "Side of a patch in pixels; it divides the input's.")
    try f.int("positionSide", &positionSide, in: 1...1024, "Side of the stored table of positions in patches; the input's is at most 4 times it.")
    try f.double("normEpsilon", &normEpsilon, in: 0...1, "Added to the variance in LayerNorm.")
    try f.bool("normsOutput", &normsOutput, default: true, "Whether features are normed behind the last block.")
    try f.checkInterpolation(of: positionSide, "positionSide", to: grid)
  }

  /// Patches per side of the input.
  package var grid: Int { tileSide / patchSize }
  package var patches: Int { grid * grid }
  package var headSize: Int { hiddenSize / heads }
}
