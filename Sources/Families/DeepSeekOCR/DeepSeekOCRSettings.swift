// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// DeepSeek-OCR (arXiv:2510.18234): SAM's encoder with its compressor, CLIP in series after it, and how a page is resized and cut.
package struct DeepSeekOCRSettings: VisionSettings {
  /// The resolutions of arXiv:2510.18234 §3.2.2.
  package enum Mode: Spelled {
    case tiny, small, base, large
    /// Tiles of 640 pixels and the whole page at 1024.
    case gundam

    package var spelling: StaticString {
      switch self {
      case .tiny: "tiny"
      case .small: "small"
      case .base: "base"
      case .large: "large"
      case .gundam: "gundam"
      }
    }

    /// Side of the view of the whole page in pixels.
    package var side: Int {
      switch self {
      case .tiny: 512
      case .small: 640
      case .base, .gundam: 1024
      case .large: 1280
      }
    }

    /// nil: pages are not cut.
    package var tileSide: Int? { self == .gundam ? 640 : nil }

    /// True: the page is stretched to the view; false: padded.
    package var stretches: Bool { self == .tiny || self == .small }
  }

  package var decoder = DecoderSizes()
  package var mode = Mode.gundam
  /// Most tiles of a page.
  package var mostTiles = 9
  package var sam = SAMSettings()
  package var vision = CLIPSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.choice("deepseek.mode", &mode, default: .gundam, "How a page is looked at where nothing else is asked for.")
    try f.int("deepseek.mostTiles", &mostTiles, in: 2...64, default: 9, "Most tiles of a page in mode `gundam`.")
    try f.part(&sam, scope: "sam")
    try f.part(&vision)
    try f.check(
      128 % sam.patchSize == 0 && sam.patchSize >= 8, "sam.patchSize", found: "\(sam.patchSize)", expected: "a divisor of 128, at least 8")
    try f.check(
      vision.hiddenSize == sam.outputSize, "vision.hiddenSize", found: "\(vision.hiddenSize)",
      expected: "\(sam.outputSize), what the first tower gives")
    let most = SAMSettings.side(grid: 1280 / sam.patchSize)
    try f.check(
      most <= 4 * vision.grid, "vision.imageSize", found: "\(vision.grid) positions a side", expected: "at least a quarter of \(most)")
  }

  /// Sides in patches of the inputs for which the file has relative positions, besides the SAM tower's own.
  package static func grids(patchSize: Int, own: Int) -> [Int] {
    [512, 640, 1024, 1280].map { $0 / patchSize }.filter { $0 != own }
  }
}
