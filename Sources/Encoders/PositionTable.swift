// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Learned positions of a square map, row by row.
package struct PositionTable {
  /// `[side², size]`.
  package let values: TensorView
  package let side: Int

  package init(_ values: TensorView, side: Int) {
    self.values = values
    self.side = side
  }

  /// The positions of a map of `grid²` places: the table itself, or resized bicubically.
  package func callAsFunction(grid: Int, _ ctx: Context) throws(RuntimeError) -> TensorView {
    if side == grid { return values }
    return try Interpolation.bicubic(values, height: side, width: side, toHeight: grid, toWidth: grid, ctx).view
  }
}
