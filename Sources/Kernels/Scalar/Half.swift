// SPDX-License-Identifier: Apache-2.0
import Shims

/// IEEE f16 → f32, exact. NaNs become quiet and keep their payload, as `vcvtph2ps` does.
@inline(__always)
func float(half: UInt16) -> Float { float_of_half(half) }

extension ScalarKernels {
  /// `count` IEEE f16 values widened to f32, exact.
  package static func halfToFloat(_ x: UnsafePointer<UInt16>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count { y[i] = float_of_half(x[i]) }
  }

  /// `count` f32 values rounded to IEEE f16, ties to even, overflow to ±∞.
  package static func floatToHalf(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<UInt16>, _ count: Int) {
    for i in 0..<count { y[i] = half_of_float(x[i]) }
  }
}
