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
  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(x.rows, x.columns)
    try self(x, into: y, ctx)
    return y
  }

  /// - Parameter y: as large as `x`; may be `x` itself.
  package func callAsFunction(_ x: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    try checkNorm(x, y, size)
    ctx.split(rows: x.rows, cost: size) { rows in
      for row in rows { ctx.kernels.layerNorm(x[row], weight, bias, y[row], size, epsilon) }
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
  package func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(x.rows, x.columns)
    try self(x, into: y, ctx)
    return y
  }

  /// - Parameter y: as large as `x`; may be `x` itself.
  package func callAsFunction(_ x: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    try checkNorm(x, y, size)
    ctx.split(rows: x.rows, cost: size) { rows in
      for row in rows { ctx.kernels.rmsNorm(x[row], weight, y[row], size, epsilon) }
    }
  }
}

private func checkNorm(_ x: Tensor, _ y: Tensor, _ size: Int) throws(RuntimeError) {
  guard x.columns == size else { throw .shape(operation: "norm input", expected: size, found: x.columns) }
  guard y.columns == size else { throw .shape(operation: "norm output", expected: size, found: y.columns) }
  guard x.rows == y.rows else { throw .shape(operation: "norm rows", expected: x.rows, found: y.rows) }
}
