// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// DeepSeek-OCR 2 (arXiv:2601.20552): SAM's encoder with its compressor, the causal flow encoder after it, and how a page is cut.
package struct DeepSeekOCR2Settings: VisionSettings {
  /// Sides in pixels of the views for which there are queries: a tile's, and the whole page's.
  package static let tileSide = 768, pageSide = 1024
  package static let patchSize = 16

  package var decoder = DecoderSizes()
  /// Side of the view of the whole page in pixels.
  package var side = pageSide
  /// Fewest and most tiles of a page; most 0: pages are not cut.
  package var leastTiles = 2, mostTiles = 6
  package var sam = SAMSettings()
  package var vision = CausalFlowSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int(
      "deepseek2.side", &side, in: Self.tileSide...Self.pageSide, default: Self.pageSide,
      "Side of the view of the whole page: 768 or 1024 pixels.")
    try f.int("deepseek2.leastTiles", &leastTiles, in: 1...64, default: 2, "Fewest tiles of a page that is cut.")
    try f.int("deepseek2.mostTiles", &mostTiles, in: 0...64, default: 6, "Most tiles of a page; 0: pages are not cut.")
    try f.part(&sam, scope: "sam")
    try f.part(&vision)
    try f.check(side == Self.tileSide || side == Self.pageSide, "deepseek2.side", found: "\(side)", expected: "768 or 1024")
    try f.check(
      mostTiles == 0 || leastTiles <= mostTiles, "deepseek2.leastTiles", found: "\(leastTiles)", expected: "at most the \(mostTiles) of mostTiles")
    // Otherwise there would be more or fewer queries than features.
    try f.check(sam.patchSize == Self.patchSize, "sam.patchSize", found: "\(sam.patchSize)", expected: "\(Self.patchSize)")
    try f.check(
      vision.hiddenSize == sam.outputSize, "vision.hiddenSize", found: "\(vision.hiddenSize)",
      expected: "\(sam.outputSize), what the first encoder gives")
  }

  /// Queries, and so vectors, of a view with a side of `pixels`.
  package static func queries(side pixels: Int) -> Int { SAMSettings.tokens(grid: pixels / patchSize) }

  /// Sides in patches of the inputs for which the file has relative positions, besides the SAM tower's own.
  package static func grids(own: Int) -> [Int] { [tileSide, pageSide].map { $0 / patchSize }.filter { $0 != own } }
}
