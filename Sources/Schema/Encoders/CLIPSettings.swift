// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Sizes of a CLIP vision transformer.
package struct CLIPSettings: Settings {
  package static let scope = "vision"

  package var hiddenSize = 1, intermediateSize = 1
  /// Blocks stored in the file: those that lead to the selected feature layer, no more.
  package var layers = 1
  package var heads = 1
  /// Side of the square input in pixels, and of one patch.
  package var imageSize = 1, patchSize = 1
  package var normEpsilon = 1e-5
  package var activation = ActivationName.quickGELU
  /// True: the class token is left out of the features (`mm_vision_select_feature: "patch"`).
  package var dropClass = true
  package var stem = ConvolutionStemSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("hiddenSize", &hiddenSize, in: 1...16384, "Width of the tower's states.")
    try f.int("intermediateSize", &intermediateSize, in: 1...65536, "Width inside the MLP.")
    try f.int("layers", &layers, in: 1...256, "Blocks up to the layer whose states are the features.")
    try f.heads("heads", &heads, of: hiddenSize, "Heads; they divide the width into 256 or less.")
    try f.int("imageSize", &imageSize, in: 1...4096, "Side of the square input in pixels.")
    try f.divisor("patchSize", &patchSize, of: imageSize, in: 1...256, "Side of a patch in pixels; it divides the input's.")
    try f.double("normEpsilon", &normEpsilon, in: 0...1, "Added to the variance in LayerNorm.")
    try f.choice("activation", &activation, "Between the two products of the MLP.")
    try f.bool("dropClass", &dropClass, default: true, "Whether the class token is left out of the features.")
    try f.part(&stem)
    let (patch, stages) = (patchSize, stem.widths.count)
    try f.check(
      stages == 0 || patch == 1 << stages, "stem.widths", found: "\(stages) stages", expected: "as many as halve a patch of \(patch) to a place")
  }

  /// Patches per side of the input.
  package var grid: Int { imageSize / patchSize }
  /// Patches of one image.
  package var patches: Int { grid * grid }
  package var headSize: Int { hiddenSize / heads }
  /// Feature rows that one view gives.
  package var tokensPerView: Int { dropClass ? patches : patches + 1 }
}

/// Activations as Hugging Face's configurations spell them.
package enum ActivationName: Spelled {
  case quickGELU, gelu, geluTanh, relu

  package var spelling: StaticString {
    switch self {
    case .quickGELU: "quick_gelu"
    case .gelu: "gelu"
    case .geluTanh: "gelu_pytorch_tanh"
    case .relu: "relu"
    }
  }
}
