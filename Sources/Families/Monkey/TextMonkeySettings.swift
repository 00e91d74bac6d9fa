// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// TextMonkey (arXiv:2403.04473): Monkey with cross-window attention between tiles, and a selection of their tokens.
package struct TextMonkeySettings: VisionSettings {
  package var decoder = DecoderSizes()
  package var monkey = MonkeySettings()
  package var windows = CrossWindowSettings()
  package var tokens = TokenResamplerSettings()
  /// False: the view of the whole image is left out.
  package var seesWhole = true

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    monkey.decoder = decoder
    try f.part(&monkey)
    try f.bool("monkey.seesWhole", &seesWhole, default: true, "Whether there is a view of the whole image.")
    windows.layersOfTower = f.isListing ? 256 : monkey.vision.layers
    windows.mapSide = f.isListing ? 256 : monkey.columns * monkey.vision.grid
    try f.part(&windows)
    if !windows.layers.isEmpty {
      try f.check(
        monkey.rows == monkey.columns, "monkey.rows", found: "\(monkey.rows) by \(monkey.columns) tiles",
        expected: "a square: windows are shifted over one")
    }
    try f.part(&tokens)
  }
}

/// TextMonkey's shifted window attention (§3.1).
package struct CrossWindowSettings: Settings {
  package static let scope = "monkey"

  /// Blocks of the tower that have a module before them; empty: none.
  package var layers: [Int] = []
  /// Side of a window in patches, and how far it is shifted.
  package var side = 12, shift = 6

  /// Blocks of the tower, and side of the merged map in patches: they bound the other settings.
  package var layersOfTower = 256, mapSide = 256

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.ints(
      "windowLayers", &layers, in: 0...layersOfTower - 1, count: 0...256, isOptional: true,
      "Blocks of the tower before which a module of windows stands.")
    let exist = Condition.when(!layers.isEmpty, "there is `monkey.windowLayers`")
    // Small models keep the published side of 12, which exceeds their map; windows are then padded.
    try f.int(
      "windowSide", &side, in: 1...min(max(mapSide, 12), 32), when: exist,
      "Side of a window in patches, not more than that of the map of all tiles, or 12.")
    let most = f.isListing ? 31 : max(side - 1, 0)
    try f.int("windowShift", &shift, in: 0...most, when: exist, "How far windows are shifted; less than their side.")
  }
}

/// TextMonkey's token resampler (§3.2). Its width is that of its tensors.
package struct TokenResamplerSettings: Settings {
  package static let scope = "monkey"

  /// Tokens kept of all tiles; nil: all, without a resampler.
  package var kept: Int?
  package var heads = 1

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("keptTokens", &kept, in: 1...1_048_576, "Tokens of the tiles that are kept.")
    try f.int(
      "tokenHeads", &heads, in: 1...1024, when: .when(kept != nil, "there is `monkey.keptTokens`"),
      "Heads of the resampler's attention; they divide its width into 256 or less.")
  }

  /// Checks the heads against the width, which is that of the resampler's tensors.
  package func check(width: Int, file: String) throws(WeightFileError) {
    guard width % heads == 0, width / heads <= 256 else {
      throw .metadataMismatch(
        file: file, key: "\(Self.scope).tokenHeads", found: "\(heads)", expected: "a divisor of \(width) that makes heads of at most 256")
    }
  }
}
