// SPDX-License-Identifier: Apache-2.0
import Runtime

extension PositionTable {
  /// The position embeddings of a map of `grid²` patches: the table itself, or resized bicubically with antialiasing.
  func antialiased(grid: Int, _ ctx: Context) throws(RuntimeError) -> TensorView {
    if side == grid { return values }
    return try Interpolation.antialiasedBicubic(values, side: side, to: grid, ctx).view
  }
}
