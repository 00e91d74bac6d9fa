// SPDX-License-Identifier: Apache-2.0

/// The grid of square tiles that a picture is stretched over (`dynamic_preprocess` of InternVL, GOT-OCR2 and DeepSeek-OCR).
package struct TileGrid: Equatable {
  package let rows, columns: Int

  package var tiles: Int { rows * columns }

  /// Of all grids of `leastTiles` to `mostTiles` tiles the one of the closest aspect ratio; among equals a larger one wins while the image
  /// has more than half its pixels.
  package init(width: Int, height: Int, leastTiles: Int = 1, mostTiles: Int, tile: Int) throws(ImageError) {
    guard width > 0, height > 0, leastTiles > 0, mostTiles >= leastTiles, mostTiles <= 64, tile > 0 else {
      throw .badArgument(what: "tiles: \(mostTiles), must be \(leastTiles) … 64.")
    }
    var grids: [TileGrid] = []
    for columns in 1...mostTiles {
      for rows in 1...mostTiles where (leastTiles...mostTiles).contains(rows * columns) { grids.append(TileGrid(rows: rows, columns: columns)) }
    }
    // Stable: fewer columns first among grids of equal size.
    grids.sort { $0.tiles != $1.tiles ? $0.tiles < $1.tiles : $0.columns < $1.columns }
    let aspect = Double(width) / Double(height)
    let area = Double(width) * Double(height)
    var best = TileGrid(rows: 1, columns: 1)
    var smallest = Double.infinity
    for grid in grids {
      let difference = abs(aspect - Double(grid.columns) / Double(grid.rows))
      if difference < smallest {
        (best, smallest) = (grid, difference)
      } else if difference == smallest, area > 0.5 * Double(tile * tile * grid.tiles) {
        best = grid
      }
    }
    self = best
  }

  private init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
  }
}
