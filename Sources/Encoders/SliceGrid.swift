// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Where the slices of one image stand among the views that are encoded together: `rows × columns` of them in row-major
/// order, from view `first` on, each with `side × side` patches.
package struct SliceGrid {
  package let rows, columns, first, side: Int

  package init(rows: Int, columns: Int, first: Int, side: Int) {
    self.rows = rows
    self.columns = columns
    self.first = first
    self.side = side
  }

  /// Patches of the merged map.
  var height: Int { rows * side }
  var width: Int { columns * side }

  /// Calls `body` with each patch's row in the merged map (`[height · width]`) and in the views' sequence, which holds
  /// a class token in front of each view's patches. Runs on the pool; `body` must not touch other rows.
  func forEachPatch(_ ctx: Context, _ body: (_ merged: Int, _ sequence: Int) -> Void) {
    ctx.pool.run(height) { y in
      for x in 0..<width {
        let view = first + (y / side) * columns + x / side
        let patch = (y % side) * side + x % side
        body(y * width + x, view * (1 + side * side) + 1 + patch)
      }
    }
  }
}
