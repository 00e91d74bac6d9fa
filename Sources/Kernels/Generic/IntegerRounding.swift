// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

/// Integer attention keeps scores in units of ln 2: 2ˣ is cheaper than eˣ.
@inline(__always) var log2e: Float { 1.442_695_04 }

/// Constants of 256 · 255 · 2^−f for 0 ≤ f ≤ 1, as ScalarKernels' `weight` has them: one − f · (slope − f · curve).
@inline(__always) var weightOne: Int16 { Int16(bitPattern: 65_280) }
@inline(__always) var weightSlope: Int16 { Int16(bitPattern: 43_842) }
@inline(__always) var weightCurve: Int16 { 11_202 }

extension IntegerLanes {
  /// x rounded to the nearest integer, ties to even, and clamped to ±limit.
  @inline(__always) init(rounding x: Lanes, limit: Int32) {
    self = IntegerLanes(bitsOf: x + roundingShift, minus: roundingShift).clamped(to: limit)
  }
}
#endif
