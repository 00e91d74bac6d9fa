// SPDX-License-Identifier: Apache-2.0

/// IEEE f16 → f32, exact. NaNs become quiet and keep their payload, as `vcvtph2ps` does.
@inline(__always)
func float(half: UInt16) -> Float {
  let sign = UInt32(half & 0x8000) << 16
  let exponent = UInt32(half >> 10) & 31
  let fraction = UInt32(half & 1023)
  switch exponent {
  case 0:  // zero and subnormals: fraction · 2⁻²⁴
    return Float(bitPattern: sign | (Float(fraction) * 5.960_464_477_539_062_5e-8).bitPattern)
  case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13 | (fraction == 0 ? 0 : 0x40_0000))
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}

/// f32 → IEEE f16, ties to even. NaNs become quiet and keep the top of their payload, as `vcvtps2ph` does.
func half(float: Float) -> UInt16 {
  let bits = float.bitPattern
  let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
  let magnitude = bits & 0x7FFF_FFFF
  if magnitude > 0x7F80_0000 { return sign | 0x7E00 | UInt16(truncatingIfNeeded: magnitude >> 13) & 0x3FF }
  if magnitude >= 0x4780_0000 { return sign | 0x7C00 }  // 65536 and more; 65520 … 65536 round up to ∞ below
  if magnitude < 0x3880_0000 {  // below 2⁻¹⁴: round to a multiple of 2⁻²⁴, which is the last place of 0.5 as a float
    let aligned = Float(bitPattern: magnitude) + 0.5
    return sign | UInt16(truncatingIfNeeded: aligned.bitPattern &- Float(0.5).bitPattern)
  }
  let odd = magnitude >> 13 & 1
  return sign | UInt16(truncatingIfNeeded: (magnitude &- (112 << 23) &+ 0xFFF &+ odd) >> 13)
}

extension ScalarKernels {
  /// `count` IEEE f16 values widened to f32, exact.
  package static func halfToFloat(_ x: UnsafePointer<UInt16>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count { y[i] = float(half: x[i]) }
  }

  /// `count` f32 values rounded to IEEE f16, ties to even, overflow to ±∞.
  package static func floatToHalf(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<UInt16>, _ count: Int) {
    for i in 0..<count { y[i] = half(float: x[i]) }
  }
}
