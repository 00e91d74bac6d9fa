// SPDX-License-Identifier: Apache-2.0
import Schema

/// The tiles that an image is cut into, and their adapters, as in `MonkeySettings`.
struct TileLayout {
  let rows, columns: Int
  /// Side of a tile in pixels, and in patches.
  let side, grid: Int
  /// Adapter sets: 0, 1 shared by all tiles, or one for each tile (more are unused). The view of the whole image has none.
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

  /// Row in the views' sequence of a row of the merged map.
  func sequence(ofMerged row: Int) -> Int {
    let (y, x) = (row / (columns * grid), row % (columns * grid))
    return (y / grid * columns + x / grid) * patches + y % grid * grid + x % grid
  }

  /// Row in the merged map of a row of the tiles' sequence.
  func merged(ofSequence row: Int) -> Int {
    let (tile, patch) = row.quotientAndRemainder(dividingBy: patches)
    return (tile / columns * grid + patch / grid) * columns * grid + tile % columns * grid + patch % grid
  }
}
