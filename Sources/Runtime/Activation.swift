// SPDX-License-Identifier: Apache-2.0
import Kernels

/// Element-wise functions between layers.
package enum Activation {
  /// x·Φ(x) by the error function (arXiv:1606.08415).
  case gelu
  /// The tanh approximation of `gelu`.
  case geluTanh
  /// x·σ(1.702x), CLIP's.
  case quickGELU
  /// x·σ(x).
  case silu
  case relu

  /// In place.
  package func callAsFunction(_ x: Tensor, _ ctx: Context) {
    let kernel = kernel(ctx.kernels)
    ctx.split(elements: x.count) { part in kernel(x.data + part.lowerBound, part.count) }
  }

  func kernel(_ kernels: KernelTable) -> KernelTable.InPlace {
    switch self {
    case .gelu: kernels.gelu
    case .geluTanh: kernels.geluTanh
    case .quickGELU: kernels.quickGELU
    case .silu: kernels.silu
    case .relu: rectify
    }
  }
}

private func rectify(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
  // NaN stays NaN, as in PyTorch.
  for i in 0..<count where x[i] < 0 { x[i] = 0 }
}

/// SwiGLU without its products: SiLU(gate) · up (arXiv:2002.05202).
/// - Parameter gateUp: `[tokens, 2·size]`, a row is gate | up.
/// - Returns: `[tokens, size]`.
package func siluMultiply(_ gateUp: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
  let size = gateUp.columns / 2
  guard size * 2 == gateUp.columns else { throw .shape(operation: "gated MLP", expected: size * 2, found: gateUp.columns) }
  let y = try ctx.arena.tensor(gateUp.rows, size)
  ctx.split(rows: gateUp.rows, cost: size) { rows in
    for row in rows { ctx.kernels.siluMultiply(gateUp[row], gateUp[row] + size, y[row], size) }
  }
  return y
}

/// y += x, of equal size.
package func add(_ x: TensorView, to y: Tensor, _ ctx: Context) {
  assert(x.rows == y.rows && x.columns == y.columns)
  ctx.split(elements: min(x.count, y.count)) { part in
    ctx.kernels.add(x.data + part.lowerBound, y.data + part.lowerBound, part.count)
  }
}

package func add(_ x: Tensor, to y: Tensor, _ ctx: Context) { add(x.view, to: y, ctx) }
