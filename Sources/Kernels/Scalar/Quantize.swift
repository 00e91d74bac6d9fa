// SPDX-License-Identifier: Apache-2.0

extension ScalarKernels {
  /// One token's activations to int8 in groups: scale = max|x| / 127, q = x · (127 / max|x|) rounded half to even, clamped to ±127.
  ///
  /// `count` values become `padded` (a multiple of `group`), zeros at the end; `scales`, `offsets`: [padded / group];
  /// an offset is −zeroPoint · the sum of the group's int8 values: it corrects the product with weights stored as w + zeroPoint.
  /// A group whose largest magnitude is below 1e-30 becomes zeros with scale 0. NaN and ∞ give some int8 value, never a trap.
  package static func quantize(
    _ x: UnsafePointer<Float>, _ count: Int, _ padded: Int, _ group: Int, _ zeroPoint: Int32,
    _ q: UnsafeMutablePointer<Int8>, _ scales: UnsafeMutablePointer<Float>, _ offsets: UnsafeMutablePointer<Int32>
  ) {
    var start = 0
    var index = 0
    while start < padded {
      let end = count < start + group ? count : start + group
      var largest: Float = 0
      var i = start
      while i < end {
        largest = x[i].magnitude > largest ? x[i].magnitude : largest
        i += 1
      }
      let isZero = largest < 1e-30
      let inverse: Float = isZero ? 0 : 127 / largest
      scales[index] = isZero ? 0 : largest / 127
      var sum: Int32 = 0
      for i in start..<start + group {
        let rounded = (i < count ? x[i] : 0) * inverse + roundingShift
        let value = Int32(truncatingIfNeeded: rounded.bitPattern) &- Int32(bitPattern: roundingShift.bitPattern)
        let clamped = Swift.min(127, Swift.max(-127, value))
        q[i] = Int8(truncatingIfNeeded: clamped)
        sum &+= clamped
      }
      offsets[index] = 0 &- zeroPoint &* sum
      start += group
      index += 1
    }
  }
}
