// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

extension VectorKernels {
  /// One token's activations to int8 in groups, 16 values a step; exact to ScalarKernels. `group` is a multiple of 32.
  @export(interface)
  package static func quantize(
    _ x: UnsafePointer<Float>, _ count: Int, _ padded: Int, _ group: Int, _ zeroPoint: Int32,
    _ q: UnsafeMutablePointer<Int8>, _ scales: UnsafeMutablePointer<Float>, _ offsets: UnsafeMutablePointer<Int32>
  ) {
    var start = 0
    var index = 0
    while start < padded {
      let end = start + group
      var maxima = Lanes()
      var i = start
      while i < end {
        maxima = load(x, i, count).magnitude.max(maxima)
        i += 16
      }
      let largest = maxima.largest
      let isZero = largest < 1e-30
      let inverse = Lanes(repeating: isZero ? 0 : 127 / largest)
      scales[index] = isZero ? 0 : largest / 127
      var sum = IntegerLanes()
      i = start
      while i < end {
        let rounded = load(x, i, count) * inverse + roundingShift
        let value = IntegerLanes(bitsOf: rounded, minus: roundingShift).clamped(to: 127)
        value.storeLowBytes(q + i)
        sum = sum + value
        i += 16
      }
      offsets[index] = 0 &- zeroPoint &* sum.sum
      start = end
      index += 1
    }
  }

  /// 16 values from index `i`, zeros from index `count` on.
  @inline(__always)
  private static func load(_ x: UnsafePointer<Float>, _ i: Int, _ count: Int) -> Lanes {
    if i + 16 <= count { return Lanes(x + i) }
    return i < count ? Lanes(x + i, count: count - i) : Lanes()
  }
}

#endif
