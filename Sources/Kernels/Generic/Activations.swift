// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

/// Activations in place, 16 values a step, exact to ScalarKernels, whose formulas these are.
extension VectorKernels {
  @export(interface)
  package static func gelu(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    map(x, count) { $0.max(Lanes()) - normalTail($0.magnitude) }
  }

  @export(interface)
  package static func quickGELU(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    map(x, count) { $0 / (Lanes(repeating: 1) + exponential($0 * Lanes(repeating: -1.702))) }
  }

  @export(interface)
  package static func geluTanh(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    map(x, count) {
      let inner = Lanes(repeating: -1.595_769_12).addingProduct($0 * $0, Lanes(repeating: -0.071_354_816))
      return $0 / (Lanes(repeating: 1) + exponential($0 * inner))
    }
  }

  @export(interface)
  package static func silu(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    map(x, count) { $0 / (Lanes(repeating: 1) + exponential($0 * Lanes(repeating: -1))) }
  }

  @export(interface)
  package static func siluMultiply(
    _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    map(gate, up, y, count) { $0 / (Lanes(repeating: 1) + exponential($0 * Lanes(repeating: -1))) * $1 }
  }

  @export(interface)
  package static func add(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    map(y, x, y, count) { $0 + $1 }
  }

  @inline(__always)
  private static func map(_ x: UnsafeMutablePointer<Float>, _ count: Int, _ f: (Lanes) -> Lanes) {
    var i = 0
    while i + 16 <= count {
      f(Lanes(x + i)).store(x + i)
      i += 16
    }
    if i < count { f(Lanes(x + i, count: count - i)).store(x + i, count: count - i) }
  }

  @inline(__always)
  private static func map(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int,
    _ f: (Lanes, Lanes) -> Lanes
  ) {
    var i = 0
    while i + 16 <= count {
      f(Lanes(a + i), Lanes(b + i)).store(y + i)
      i += 16
    }
    if i < count { f(Lanes(a + i, count: count - i), Lanes(b + i, count: count - i)).store(y + i, count: count - i) }
  }
}

#endif
