// SPDX-License-Identifier: Apache-2.0
import Kernels

// Moving values between tensors. Model code uses these and not the tensors' pointers, so that all work passes the thread pool: a dry
// run, whose pool calls nothing, then touches no memory.

extension Context {
  /// A tensor with the same values.
  package func copy(_ x: TensorView) throws(RuntimeError) -> Tensor {
    let y = try arena.tensor(x.rows, x.columns)
    copyRows(x, to: y, self) { $0 }
    return y
  }

  package func copy(_ x: Tensor) throws(RuntimeError) -> Tensor { try copy(x.view) }
}

/// y = x, of equal size.
package func copy(_ x: TensorView, to y: Tensor, _ ctx: Context) {
  assert(x.rows == y.rows && x.columns == y.columns)
  copyRows(x, to: y, ctx) { $0 }
}

package func copy(_ x: Tensor, to y: Tensor, _ ctx: Context) { copy(x.view, to: y, ctx) }

/// Row i of y becomes row `source(i)` of x; zeros where that is nil.
/// - Parameter y: as many columns as x.
package func copyRows(_ x: TensorView, to y: Tensor, _ ctx: Context, source: (Int) -> Int?) {
  assert(x.columns == y.columns)
  ctx.split(rows: y.rows, cost: y.columns) { rows in
    for row in rows {
      if let from = source(row) {
        y[row].update(from: x[from], count: y.columns)
      } else {
        y[row].update(repeating: 0, count: y.columns)
      }
    }
  }
}

package func copyRows(_ x: Tensor, to y: Tensor, _ ctx: Context, source: (Int) -> Int?) {
  copyRows(x.view, to: y, ctx, source: source)
}

/// Row i of y gets row `source(i)` of x added; it stays where that is nil.
/// - Parameter y: as many columns as x.
package func addRows(_ x: TensorView, to y: Tensor, _ ctx: Context, source: (Int) -> Int?) {
  assert(x.columns == y.columns)
  ctx.split(rows: y.rows, cost: y.columns) { rows in
    for row in rows {
      if let from = source(row) { ctx.kernels.add(x[from], y[row], y.columns) }
    }
  }
}

package func addRows(_ x: Tensor, to y: Tensor, _ ctx: Context, source: (Int) -> Int?) {
  addRows(x.view, to: y, ctx, source: source)
}

/// The columns of y from `column` on become those of x.
/// - Parameter y: as many rows as x, at least `column` more columns.
package func copyColumns(_ x: Tensor, to y: Tensor, column: Int, _ ctx: Context) {
  assert(x.rows == y.rows && column >= 0 && column + x.columns <= y.columns)
  ctx.split(rows: y.rows, cost: x.columns) { rows in
    for row in rows { (y[row] + column).update(from: x[row], count: x.columns) }
  }
}

/// Every value of y becomes `value`.
package func fill(_ y: Tensor, with value: Float, _ ctx: Context) {
  ctx.split(elements: y.count) { part in (y.data + part.lowerBound).update(repeating: value, count: part.count) }
}

/// y = y · factor.
package func multiply(_ y: Tensor, by factor: Float, _ ctx: Context) {
  ctx.split(elements: y.count) { part in
    for i in part { y.data[i] *= factor }
  }
}

/// Column k of y is multiplied by `factors[k]`.
/// - Parameter factors: `[y.columns]`.
package func scaleColumns(_ y: Tensor, by factors: UnsafePointer<Float>, _ ctx: Context) {
  ctx.split(rows: y.rows, cost: y.columns) { rows in
    for row in rows {
      let values = y[row]
      for k in 0..<y.columns { values[k] *= factors[k] }
    }
  }
}
