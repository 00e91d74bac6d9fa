// SPDX-License-Identifier: Apache-2.0

/// A square grid cut into square windows, row by row, after it was rolled by `shift` up and left (arXiv:2103.14030 §3.2). Where the side
/// does not divide the grid, the last windows reach past it.
package struct Windows {
  package let grid, side, shift: Int

  /// - Parameter shift: 0 ..< side.
  package init(grid: Int, side: Int, shift: Int = 0) {
    assert(grid > 0 && side > 0 && (0..<side).contains(shift))
    self.grid = grid
    self.side = side
    self.shift = shift
  }

  private var across: Int { (grid + side - 1) / side }
  package var count: Int { across * across }

  /// Row of the grid `[grid², …]` at row `i` of the cut map `[count·side², …]`; nil outside the grid.
  package func place(_ i: Int) -> Int? {
    let (window, cell) = (i / (side &* side), i % (side &* side))
    let y = window / across &* side &+ cell / side
    let x = window % across &* side &+ cell % side
    guard y < grid, x < grid else { return nil }
    return shift == 0 ? y &* grid &+ x : (y &+ shift) % grid &* grid &+ (x &+ shift) % grid
  }

  /// Row of the cut map where row `place` of the grid is.
  package func row(_ place: Int) -> Int {
    var (y, x) = (place / grid, place % grid)
    if shift != 0 {
      let back = grid &- shift % grid
      (y, x) = ((y &+ back) % grid, (x &+ back) % grid)
    }
    return (y / side &* across &+ x / side) &* side &* side &+ y % side &* side &+ x % side
  }

  /// Number of the region of the rolled map at cell `cell` of a window: rolling brings parts together that are no neighbours, and only
  /// cells of the same region see each other.
  func region(window: Int, cell: Int) -> Int {
    let edge = across &* side
    func band(_ i: Int) -> Int { shift == 0 || i < edge - side ? 0 : i < edge - shift ? 1 : 2 }
    return 3 * band(window / across &* side &+ cell / side) + band(window % across &* side &+ cell % side)
  }
}
