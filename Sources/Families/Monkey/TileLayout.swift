// SPDX-License-Identifier: Apache-2.0
import Schema

/// The tiles that an image is cut into, and which adapters they have; as `MonkeySettings` says it.
struct TileLayout {
  let rows, columns: Int
  /// Side of a tile in pixels, and in patches.
  let side, grid: Int
  /// Sets of adapters: none, one that all tiles share, or one for each tile (more are left unused). The view of the whole image
  /// has none.
  let adapterSets: Int

  var tiles: Int { rows * columns }
  /// Patches of a tile.
  var patches: Int { grid * grid }

  init(_ s: MonkeySettings) {
    (side, grid) = (s.vision.imageSize, s.vision.grid)
    (rows, columns, adapterSets) = (s.rows, s.columns, s.adapterSets)
  }

  /// The adapter set of a view, nil where there is none.
  func adapterSet(ofView view: Int) -> Int? { adapterSets == 0 || view >= tiles ? nil : adapterSets == 1 ? 0 : view }

  /// The row in the views' sequence of a row of the map of all tiles.
  func sequence(ofMerged row: Int) -> Int {
    let (y, x) = (row / (columns * grid), row % (columns * grid))
    return (y / grid * columns + x / grid) * patches + y % grid * grid + x % grid
  }

  /// The row in the map of all tiles of a row of their sequence.
  func merged(ofSequence row: Int) -> Int {
    let (tile, patch) = row.quotientAndRemainder(dividingBy: patches)
    return (tile / columns * grid + patch / grid) * columns * grid + tile % columns * grid + patch % grid
  }
}
