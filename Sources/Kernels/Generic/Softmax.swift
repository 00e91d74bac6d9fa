// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

extension VectorKernels {
  /// x ← softmax(x), 16 values a step, the sum in 64 lanes; exact to ScalarKernels.
  @export(interface)
  package static func softmax(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    var maxima = Lanes(repeating: -.infinity)
    var i = 0
    while i + 16 <= count {
      maxima = Lanes(x + i).max(maxima)
      i += 16
    }
    if i < count { maxima = Lanes(x + i, count: count - i, pad: -.infinity).max(maxima) }
    let largest = Lanes(repeating: maxima.largest)
    i = 0
    while i < count {
      let lanes = count - i < 16 ? count - i : 16
      exponential(upTo88: Lanes(x + i, count: lanes) - largest).store(x + i, count: lanes)
      i += 16
    }
    let inverse = Lanes(repeating: 1 / LaneSum(x, count) { $0 + $1 }.total)
    i = 0
    while i < count {
      let lanes = count - i < 16 ? count - i : 16
      (Lanes(x + i, count: lanes) * inverse).store(x + i, count: lanes)
      i += 16
    }
  }
}

#endif
