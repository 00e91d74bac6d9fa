// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// Monkey (arXiv:2311.06607): an image stretched over tiles, each with adapters of its own, and the whole image.
package struct MonkeySettings: VisionSettings {
  package var decoder = DecoderSizes()
  package var vision = QwenVisionSettings()
  package var statistics = NormalisationSettings()
  /// Tiles that an image is cut into.
  package var rows = 1, columns = 1
  /// Adapter sets: 0, 1 shared by all tiles, or one for each tile (more are unused). The view of the whole image has none.
  package var adapterSets = 0
  package var resampler = QueryResamplerSettings()
  package var marks = ImageMarkSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vision)
    try f.part(&statistics)
    try f.int("monkey.rows", &rows, in: 1...16, "Rows of tiles.")
    try f.int("monkey.columns", &columns, in: 1...16, "Columns of tiles.")
    try f.int("monkey.adapterSets", &adapterSets, in: 0...256, "Sets of adapters: none, one that all tiles share, or one for each tile.")
    try f.check(
      adapterSets <= 1 || adapterSets >= tiles, "monkey.adapterSets", found: "\(adapterSets)",
      expected: "0, 1, or one for each of \(tiles) tiles")
    resampler.outputSize = decoder.hiddenSize
    resampler.grid = f.isListing ? 256 : vision.grid
    try f.part(&resampler)
    marks.vocabSize = decoder.vocabSize
    try f.part(&marks)
  }

  package var tiles: Int { rows * columns }

  /// The adapter set of a tile, nil where there is none.
  package func adapterSet(ofTile tile: Int) -> Int? { adapterSets == 0 ? nil : adapterSets == 1 ? 0 : tile }
}

/// Qwen-VL's position-aware vision-language adapter (arXiv:2308.12966 §2.1).
package struct QueryResamplerSettings: Settings {
  package static let scope = "resampler"

  /// Side of the square grid of queries.
  package var side = 1
  package var heads = 1

  /// Output width, and side of a view in patches: they bound the sizes.
  package var outputSize = 65536, grid = 256

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    // More queries than patches would only repeat features.
    try f.int("side", &side, in: 1...min(grid, 256), "Side of the square map of queries, not more than a view's patches.")
    try f.heads("heads", &heads, of: outputSize, "Heads of its attention; they divide the decoder's width into 256 or less.")
  }

  package var queries: Int { side * side }
}
