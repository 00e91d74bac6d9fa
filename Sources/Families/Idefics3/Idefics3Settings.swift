// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// Idefics3 (arXiv:2408.12637), SmolVLM (arXiv:2504.05299) and granite-docling: tiles and a view of the whole image.
package struct Idefics3Settings: VisionSettings {
  package var decoder = DecoderSizes()
  package var vision = SigLIPSettings()
  package var statistics = NormalisationSettings(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])
  package var slicing = Idefics3SlicingSettings()
  /// Pixel shuffle: side in patches of the square that becomes one vector.
  package var shuffle = 1
  package var marks = Idefics3MarkSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vision)
    try f.part(&statistics)
    slicing.inputSide = vision.imageSize
    try f.part(&slicing)
    try f.divisor(
      "projector.shuffle", &shuffle, of: vision.grid, in: 1...256, "Patches on each side of the square that becomes one vector; it divides a tile's.")
    (marks.vocabSize, marks.mostTiles) = (decoder.vocabSize, slicing.splits ? slicing.mostPerSide * slicing.mostPerSide : 0)
    try f.part(&marks)
  }
}

/// How an image is resized and cut.
package struct Idefics3SlicingSettings: Settings {
  package static let scope = "image"

  /// Pixels that the longer side gets before tiles are cut.
  package var longestEdge = 1
  /// False: only the view of the whole image.
  package var splits = true
  /// Side of a tile in pixels.
  package var tileSide = 1
  /// Pixels of a tile's side that the encoder reads: its input size.
  package var inputSide = 4096

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("tileSide", &tileSide, in: 1...4096, "Side of a tile in pixels; what exceeds `vision.imageSize` is not seen.")
    let seen = inputSide
    try f.check(tileSide >= seen, "tileSide", found: "\(tileSide) pixels", expected: "at least the \(seen) of vision.imageSize")
    try f.int("longestEdge", &longestEdge, in: 1...4096, "Pixels that the longer side gets before tiles are cut.")
    try f.bool("splits", &splits, default: true, "Whether an image is cut into tiles.")
    try f.check(
      !splits || mostPerSide <= 16, "longestEdge", found: "\(longestEdge) pixels, \(mostPerSide) tiles",
      expected: "at most 16 tiles of \(tileSide) pixels")
  }

  /// Tiles along a side, at most. A side may be rounded up to the next even number.
  package var mostPerSide: Int { (longestEdge + longestEdge % 2 + tileSide - 1) / tileSide }
}

/// The tokens of the vocabulary that stand between an image's vectors.
package struct Idefics3MarkSettings: Settings {
  package static let scope = "image"

  /// Before each tile's vectors: ids one after another, and how many each tile has, row by row of the largest grid.
  package var tileIds: [Int] = [], tileCounts: [Int] = []
  /// After each row of tiles but the last, and after the last.
  package var rowEndIds: [Int] = [], tilesEndIds: [Int] = []
  /// Before and after the vectors of the whole image.
  package var wholeIds: [Int] = [], endIds: [Int] = []
  /// Rows of the embedding table, `language.vocabSize`.
  package var vocabSize = 1_048_576
  /// Tiles of the largest grid.
  package var mostTiles = 256

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    let (ids, hasTiles) = (0...vocabSize - 1, Condition.when(mostTiles > 0, "`image.splits` is true"))
    try f.ints("wholeIds", &wholeIds, in: ids, count: 0...64, "Ids of the tokens before the vectors of the whole image.")
    try f.ints("endIds", &endIds, in: ids, count: 0...64, "Ids of the tokens behind them.")
    try f.ints("rowEndIds", &rowEndIds, in: ids, count: 0...64, when: hasTiles, "Ids of the tokens behind a row of tiles, but the last.")
    try f.ints("tilesEndIds", &tilesEndIds, in: ids, count: 0...64, when: hasTiles, "Ids of the tokens behind the last row of tiles.")
    try f.ints(
      "tileCounts", &tileCounts, in: 0...64, count: 1...256, when: hasTiles,
      "How many tokens stand before a tile's vectors, for each tile of the largest grid, row by row.")
    try f.ints("tileIds", &tileIds, in: ids, count: 0...256 * 64, when: hasTiles, "Ids of those tokens, one tile after another.")
    guard mostTiles > 0 else { return }
    try f.check(tileCounts.count == mostTiles, "tileCounts", found: "\(tileCounts.count) tiles", expected: "the \(mostTiles) of the largest grid")
    let sum = tileCounts.reduce(0, +)
    try f.check(tileIds.count == sum, "tileIds", found: "\(tileIds.count) ids", expected: "the \(sum) of image.tileCounts")
  }
}
