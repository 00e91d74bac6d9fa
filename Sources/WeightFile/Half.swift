// SPDX-License-Identifier: Apache-2.0

/// IEEE 754 binary16 by bit operations: the same result on every CPU, no hardware or runtime support needed.
package enum Half {
  /// The value of binary16 `bits`, exactly (subnormals, infinities and NaN payloads included).
  package static func float(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10) & 0x1F
    let fraction = UInt32(bits & 0x03FF)
    if exponent == 0x1F { return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13) }
    if exponent != 0 { return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13) }
    // Subnormal: fraction · 2⁻²⁴, exact in binary32.
    let magnitude = Float(fraction) * Float(bitPattern: 0x3380_0000)
    return Float(bitPattern: sign | magnitude.bitPattern)
  }

  /// The binary16 nearest to `value`, ties to even; beyond ±65 519.99… it is infinity, NaN stays a quiet NaN.
  package static func bits(_ value: Float) -> UInt16 {
    let pattern = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: pattern >> 16) & 0x8000
    let magnitude = pattern & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 { return sign | 0x7E00 | UInt16(truncatingIfNeeded: magnitude >> 13) & 0x03FF }
    if magnitude >= 0x4780_0000 { return sign | 0x7C00 }
    if magnitude >= 0x3880_0000 {
      // Normal result. Rebias, then round: a carry out of the fraction moves the exponent, up to infinity, as it should.
      let rebased = magnitude - 0x3800_0000
      return sign | UInt16(truncatingIfNeeded: (rebased + 0x0FFF + (rebased >> 13 & 1)) >> 13)
    }
    // Subnormal result in units of 2⁻²⁴; below 2⁻²⁵ everything rounds to zero.
    if magnitude < 0x3300_0000 { return sign }
    let shift = 126 - (magnitude >> 23)  // 14 … 24
    let significand = magnitude & 0x007F_FFFF | 0x0080_0000
    let floor = significand >> shift
    let rest = significand & ((1 << shift) - 1)
    let half: UInt32 = 1 << (shift - 1)
    let up = rest > half || (rest == half && floor & 1 == 1)
    return sign | UInt16(truncatingIfNeeded: floor + (up ? 1 : 0))
  }
}
