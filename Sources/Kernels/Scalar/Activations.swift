// SPDX-License-Identifier: Apache-2.0

extension ScalarKernels {
  /// x ← x · Φ(x), the exact (erf) GELU, absolute error < 5e-7 for |x| ≤ 8 (then the rounding of x itself). In place.
  package static func gelu(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count {
      let positive = x[i] > 0 ? x[i] : 0
      x[i] = positive - normalTail(x[i].magnitude)
    }
  }

  /// x ← x · σ(1.702 x) = x / (1 + e^(−1.702 x)). In place.
  package static func quickGELU(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count { x[i] = x[i] / (1 + exponential(x[i] * -1.702)) }
  }

  /// x ← x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))), written as x · σ(2 · …). In place.
  package static func geluTanh(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count {
      let inner = Float(-1.595_769_12).addingProduct(x[i] * x[i], -0.071_354_816)
      x[i] = x[i] / (1 + exponential(x[i] * inner))
    }
  }

  /// x ← x · σ(x). In place.
  package static func silu(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count { x[i] = x[i] / (1 + exponential(x[i] * -1)) }
  }

  /// y = gate · σ(gate) · up; y may be gate or up.
  package static func siluMultiply(
    _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    for i in 0..<count { y[i] = gate[i] / (1 + exponential(gate[i] * -1)) * up[i] }
  }

  /// y += x.
  package static func add(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count { y[i] += x[i] }
  }
}
