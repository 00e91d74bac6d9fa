// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

/// Norms of one row, sums in 64 lanes, exact to ScalarKernels.
extension VectorKernels {
  @export(interface)
  package static func layerNorm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ count: Int, _ epsilon: Float
  ) {
    let mean = LaneSum(x, count) { $0 + $1 }.total / Float(count)
    let center = Lanes(repeating: mean)
    let squares = LaneSum(x, count, pad: mean) { $0.addingProduct($1 - center, $1 - center) }
    let inverse = Lanes(repeating: 1 / (squares.total / Float(count) + epsilon).squareRoot())
    var i = 0
    while i + 16 <= count {
      Lanes(bias + i).addingProduct((Lanes(x + i) - center) * inverse, Lanes(weight + i)).store(y + i)
      i += 16
    }
    if i < count {
      let left = count - i
      Lanes(bias + i, count: left)
        .addingProduct((Lanes(x + i, count: left) - center) * inverse, Lanes(weight + i, count: left))
        .store(y + i, count: left)
    }
  }

  @export(interface)
  package static func rmsNorm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ epsilon: Float
  ) {
    let squares = LaneSum(x, count) { $0.addingProduct($1, $1) }
    let inverse = Lanes(repeating: 1 / (squares.total / Float(count) + epsilon).squareRoot())
    var i = 0
    while i + 16 <= count {
      (Lanes(x + i) * inverse * Lanes(weight + i)).store(y + i)
      i += 16
    }
    if i < count {
      let left = count - i
      (Lanes(x + i, count: left) * inverse * Lanes(weight + i, count: left)).store(y + i, count: left)
    }
  }
}

#endif
