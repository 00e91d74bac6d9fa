// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Sizes of a SigLIP vision transformer (arXiv:2303.15343) as Idefics takes it: pictures of any side, learned positions looked up by a patch's place
/// in the picture.
package struct SigLIPSettings: Settings {
  package static let scope = "vision"

  package var hiddenSize = 1, intermediateSize = 1, layers = 1, heads = 1
  /// Side of one square picture in pixels, and of one patch.
  package var imageSize = 1, patchSize = 1
  /// Side of the table of positions in patches.
  package var positionSide = 1
  package var normEpsilon = 1e-6
  package var activation = ActivationName.geluTanh

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("hiddenSize", &hiddenSize, in: 1...16384, "Width of the tower's states.")
    try f.int("intermediateSize", &intermediateSize, in: 1...65536, "Width inside the MLP.")
    try f.int("layers", &layers, in: 1...256, "Blocks.")
    try f.heads("heads", &heads, of: hiddenSize, "Heads; they divide the width into 256 or less.")
    try f.int("imageSize", &imageSize, in: 1...4096, "Side of one square picture in pixels.")
    try f.divisor("patchSize", &patchSize, of: imageSize, in: 1...256, "Side of a patch in pixels; it divides the picture's.")
    try f.int("positionSide", &positionSide, in: 1...256, "Side of the stored table of positions in patches; the picture's is at most 4 times it.")
    try f.double("normEpsilon", &normEpsilon, in: 0...1, "Added to the variance in LayerNorm.")
    try f.choice("activation", &activation, "Between the two products of the MLP.")
    try f.checkInterpolation(of: positionSide, "positionSide", to: grid)
  }

  /// Patches per side of a picture.
  package var grid: Int { imageSize / patchSize }
  package var patches: Int { grid * grid }
}
