// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Vary's vocabulary network, and DeepSeek-OCR's first tower: SAM's image encoder and two convolutions, and how pictures are made to fit it.
package struct SAMSettings: Settings {
  package static let scope = "vocabulary"

  package enum Resize: Spelled {
    /// Pillow's bicubic filter.
    case bicubic
    /// OpenCV's bilinear filter.
    case bilinear

    package var spelling: StaticString {
      switch self {
      case .bicubic: "bicubic"
      case .bilinear: "bilinear"
      }
    }
  }

  package var hiddenSize = 1, intermediateSize = 1, layers = 1, heads = 1
  /// Side of the square input in pixels, and of one patch.
  package var imageSize = 1, patchSize = 1
  /// Side of the windows that attention stays in, in patches.
  package var windowSize = 1
  /// Blocks whose attention sees the whole image.
  package var globalLayers: [Int] = []
  /// Channels after the neck, and after the first and the second convolution of stride 2.
  package var neckSize = 1, middleSize = 1, outputSize = 1
  package var normEpsilon = 1e-6
  package var resize = Resize.bicubic
  package var statistics = NormalisationSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("hiddenSize", &hiddenSize, in: 1...16384, "Width of the network's states.")
    try f.int("intermediateSize", &intermediateSize, in: 1...65536, "Width inside the MLP.")
    try f.int("layers", &layers, in: 1...256, "Blocks.")
    try f.heads("heads", &heads, of: hiddenSize, "Heads; they divide the width into 256 or less.")
    try f.int("imageSize", &imageSize, in: 1...4096, "Side of the square input in pixels.")
    try f.divisor("patchSize", &patchSize, of: imageSize, in: 1...256, "Side of a patch in pixels; at most 256 patches a side.")
    try f.int("windowSize", &windowSize, in: 1...256, "Side of attention's windows in patches, at most the input's or 14.")
    try f.ints("globalLayers", &globalLayers, in: 0...255, count: 0...256, "Blocks whose attention sees the whole image.")
    try f.int("neckSize", &neckSize, in: 1...16384, "Channels behind the neck.")
    try f.int("middleSize", &middleSize, in: 1...16384, "Channels behind the first convolution of stride 2.")
    try f.int("outputSize", &outputSize, in: 1...16384, "Channels behind the second one.")
    try f.double("normEpsilon", &normEpsilon, in: 0...1, "Added to the variance in LayerNorm.")
    try f.choice("resize", &resize, "How both sides of an image are squashed to the input's.")
    try f.part(&statistics, scope: "")
    try f.check(grid <= 256, "patchSize", found: "\(patchSize)", expected: "at most 256 patches a side")
    // Windows are padded to their size.
    try f.check(windowSize <= max(grid, 14), "windowSize", found: "\(windowSize)", expected: "at most \(max(grid, 14)), the input's side")
  }

  /// Patches per side of the input.
  package var grid: Int { imageSize / patchSize }
  package var headSize: Int { hiddenSize / heads }
  /// Tokens that one image gives: both convolutions halve the sides.
  package var tokens: Int { Self.tokens(grid: grid) }
  /// The same for another input.
  package static func tokens(grid: Int) -> Int { side(grid: grid) * side(grid: grid) }
  /// Side of the map of tokens.
  package static func side(grid: Int) -> Int { ((grid + 1) / 2 + 1) / 2 }
  /// Windows per side; the last ones reach past the image where the size does not divide.
  package var windows: Int { (grid + windowSize - 1) / windowSize }
}
