// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Pixel shuffle: concatenates the features of each square of `side`² patches, row by row (arXiv:2408.12637 §3.1).
struct PixelShuffle {
  let side: Int
  /// Patches on a side of one view; `side` divides it.
  let grid: Int

  /// `[views · grid², size]` → `[views · (grid / side)², side² · size]`.
  func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let squares = grid / side
    let parts = x.rows / side
    let y = try ctx.arena.tensor(parts / side, side * side * x.columns)
    // The patches of one row of a square are contiguous already.
    let runs = x.reshaped(parts, side * x.columns)
    copyRows(runs, to: y.reshaped(parts, side * x.columns), ctx) { part in
      let (square, line) = (part / side, part % side)
      let (band, column) = (square / squares, square % squares)
      return (band * side + line) * squares + column
    }
    return y
  }
}
