// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The canvases that an image may be cut on, in the checkpoint's order.
package struct PinpointSettings: Settings {
  package static let scope = "image"

  /// Width, height, width, height, … in pixels.
  package var pinpoints: [Int] = []
  /// Side of a tile in pixels, which divides every number.
  package var tileSide = 1

  package init() {}
  package init(_ pinpoints: [Int], tileSide: Int) {
    self.pinpoints = pinpoints
    self.tileSide = tileSide
  }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.ints(
      "pinpoints", &pinpoints, in: 1...1 << 18, count: 2...2000,
      "Width and height of each canvas in pixels, multiples of a tile's side and at most 256 tiles.")
    let (side, list) = (tileSide, pinpoints)
    try f.check(
      list.count % 2 == 0 && list.allSatisfy { $0 % side == 0 } && mostTiles <= 256, "pinpoints",
      found: "\(list.count) numbers, \(mostTiles) tiles", expected: "pairs of multiples of a tile's side \(side), at most 256 tiles")
  }

  package var sizes: [(width: Int, height: Int)] {
    stride(from: 0, to: pinpoints.count - 1, by: 2).map { (pinpoints[$0], pinpoints[$0 + 1]) }
  }

  /// Tiles of the largest canvas.
  package var mostTiles: Int { sizes.reduce(0) { max($0, ($1.width / tileSide) * ($1.height / tileSide)) } }
}
