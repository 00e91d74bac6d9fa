// SPDX-License-Identifier: Apache-2.0
/// Position of one image's slices among the views that are encoded together: `rows × columns` of them in row-major
/// order, from view `first` on, each with `side × side` patches.
struct SliceGrid {
  let rows, columns, first, side: Int

  init(rows: Int, columns: Int, first: Int, side: Int) {
    self.rows = rows
    self.columns = columns
    self.first = first
    self.side = side
  }

  /// Patches of the merged map.
  var height: Int { rows * side }
  var width: Int { columns * side }

  /// Row in the views' sequence (with a class token before each view's patches) of a row of the merged map.
  func sequence(ofMerged row: Int) -> Int {
    let (y, x) = (row / width, row % width)
    let view = first + y / side * columns + x / side
    return view * (1 + side * side) + 1 + y % side * side + x % side
  }

  /// Rows in the views' sequence of a row of slices.
  func sequence(ofRow row: Int) -> Range<Int> {
    let (view, rows) = (first + row * columns, 1 + side * side)
    return view * rows..<(view + columns) * rows
  }

  /// Row in the merged map of a row of the views' sequence; nil for class tokens and other views.
  func merged(ofSequence row: Int) -> Int? {
    let (view, token) = row.quotientAndRemainder(dividingBy: 1 + side * side)
    let slice = view - first
    guard token > 0, slice >= 0, slice < rows * columns else { return nil }
    let (y, x) = ((token - 1) / side, (token - 1) % side)
    return (slice / columns * side + y) * width + slice % columns * side + x
  }
}
