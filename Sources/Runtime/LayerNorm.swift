// SPDX-License-Identifier: Apache-2.0
import Kernels
import WeightFile

/// (x − mean) / √(variance + ε) · weight + bias, row by row (arXiv:1607.06450).
package struct LayerNorm {
  private let store: WeightStore
  private let weight, bias: UnsafePointer<Float>
  package let size: Int
  package let epsilon: Float

  /// - Parameter w: leaves `weight` and `bias`, plain `[size]`.
  package init(_ w: Weights, size: Int, epsilon: Float) throws(WeightFileError) {
    store = w.store
    weight = try w.vector("weight", count: size)
    bias = try w.vector("bias", count: size)
    self.size = size
    self.epsilon = epsilon
  }

  /// - Parameter x: `[tokens, size]`.
  package func callAsFunction(_ x: TensorView, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(x.rows, x.columns)
    try self(x, into: y, ctx)
    return y
  }

  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor { try self(x.view, ctx) }

  /// - Parameter y: as large as `x`; may be `x` itself.
  package func callAsFunction(_ x: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError) { try self(x.view, into: y, ctx) }

  /// - Parameter y: as large as `x`; may be the same memory.
  package func callAsFunction(_ x: TensorView, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    try checkNorm(x, y, size)
    ctx.split(rows: x.rows, cost: size) { rows in
      for row in rows { ctx.kernels.layerNorm(x[row], weight, bias, y[row], size, epsilon) }
    }
  }

  /// The norm of x as `next` reads it.
  package func callAsFunction(_ x: Tensor, for next: Linear, _ ctx: Context) throws(RuntimeError) -> LinearInput {
    try checkNorm(x.view, x, size)
    return try normed(x.rows, size, for: next, ctx) { row, y in ctx.kernels.layerNorm(x[row], weight, bias, y, size, epsilon) }
  }

  /// The same for `rows` rows of which row i is the norm of x's row `place(i)`, or zeros.
  package func callAsFunction(_ x: Tensor, rows: Int, place: (Int) -> Int?, for next: Linear, _ ctx: Context) throws(RuntimeError) -> LinearInput {
    try checkNorm(x.view, x, size)
    return try normed(rows, size, for: next, ctx) { row, y in
      if let source = place(row) {
        ctx.kernels.layerNorm(x[source], weight, bias, y, size, epsilon)
      } else {
        y.update(repeating: 0, count: size)
      }
    }
  }
}

/// x / √(mean(x²) + ε) · weight, row by row (arXiv:1910.07467).
package struct RMSNorm {
  private let store: WeightStore
  private let weight: UnsafePointer<Float>
  package let size: Int
  package let epsilon: Float

  /// - Parameter w: leaf `weight`, plain `[size]`.
  package init(_ w: Weights, size: Int, epsilon: Float) throws(WeightFileError) {
    store = w.store
    weight = try w.vector("weight", count: size)
    self.size = size
    self.epsilon = epsilon
  }

  /// - Parameter x: `[tokens, size]`.
  package func callAsFunction(_ x: TensorView, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(x.rows, x.columns)
    try self(x, into: y, ctx)
    return y
  }

  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor { try self(x.view, ctx) }

  /// - Parameter y: as large as `x`; may be `x` itself.
  package func callAsFunction(_ x: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError) { try self(x.view, into: y, ctx) }

  /// - Parameter y: as large as `x`; may be the same memory.
  package func callAsFunction(_ x: TensorView, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    try checkNorm(x, y, size)
    ctx.split(rows: x.rows, cost: size) { rows in
      for row in rows { ctx.kernels.rmsNorm(x[row], weight, y[row], size, epsilon) }
    }
  }

  /// The norm of x as `next` reads it.
  package func callAsFunction(_ x: Tensor, for next: Linear, _ ctx: Context) throws(RuntimeError) -> LinearInput {
    try checkNorm(x.view, x, size)
    return try normed(x.rows, size, for: next, ctx) { row, y in ctx.kernels.rmsNorm(x[row], weight, y, size, epsilon) }
  }
}

/// Norms each row and converts it to `next`'s input format while it is in the cache.
private func normed(
  _ rows: Int, _ columns: Int, for next: Linear, _ ctx: Context, _ norm: (_ row: Int, _ y: UnsafeMutablePointer<Float>) -> Void
) throws(RuntimeError) -> LinearInput {
  guard next.inputSize == columns else { throw .shape(operation: "linear input", expected: next.inputSize, found: columns) }
  let input = try LinearInput(rows: rows, for: next, ctx)
  ctx.split(rows: rows, cost: columns) { rows in
    if let y = input.floats {
      for row in rows { norm(row, y + row &* input.stride) }
    } else {
      withStack(floats: columns) { y in
        for row in rows {
          norm(row, y)
          input.set(row, first: 0, count: columns, from: y, ctx.kernels)
        }
      }
    }
  }
  return input
}

private func checkNorm(_ x: TensorView, _ y: Tensor, _ size: Int) throws(RuntimeError) {
  guard x.columns == size else { throw .shape(operation: "norm input", expected: size, found: x.columns) }
  guard y.columns == size else { throw .shape(operation: "norm output", expected: size, found: y.columns) }
  guard x.rows == y.rows else { throw .shape(operation: "norm rows", expected: x.rows, found: y.rows) }
}
