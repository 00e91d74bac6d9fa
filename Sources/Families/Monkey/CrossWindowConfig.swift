// SPDX-License-Identifier: Apache-2.0
import Encoders
import WeightFile

/// What the file says of TextMonkey's cross-window modules.
struct CrossWindowConfig {
  /// Blocks of the tower before which a module stands.
  let layers: [Int]
  /// Side of a window in patches, and how far it is shifted.
  let side, shift: Int
  let normEpsilon: Float

  /// `nil` where the file has none.
  static func read(
    _ m: Metadata, _ c: VisionTransformerConfiguration, _ layout: TileLayout
  ) throws(WeightFileError) -> CrossWindowConfig? {
    guard let layers = m.ints("monkey.windowLayers"), !layers.isEmpty else { return nil }
    guard layers.allSatisfy({ (0..<c.layers).contains($0) }) else {
      throw m.mismatch("monkey.windowLayers", found: "a layer outside the tower", expected: "0…\(c.layers - 1)")
    }
    guard layout.rows == layout.columns else {
      throw m.mismatch("monkey.rows", found: "\(layout.rows) by \(layout.columns) tiles", expected: "a square: windows are shifted over one")
    }
    let side = try m.requireInt("monkey.windowSide", in: 1...32)
    let shift = try m.requireInt("monkey.windowShift", in: 0...max(side - 1, 0))
    return CrossWindowConfig(layers: layers.map { Int($0) }, side: side, shift: shift, normEpsilon: 1e-5)
  }
}
