// SPDX-License-Identifier: Apache-2.0

/// Adding and subtracting 1.5 · 2²³ rounds |x| < 2²² to the nearest integer, ties to even; the low bits of the sum hold that integer.
let roundingShift: Float = 12_582_912

/// eˣ, relative error < 1.5e-7; 0 below −87, +∞ above 88. e⁰ is exactly 1.
///
/// x = n · ln 2 + r with |r| ≤ ln 2 / 2; eʳ = 1 + r + r² · q(r), q by minimax fit; times 2ⁿ by adding n to the exponent field.
@inline(__always)
func exponential(_ x: Float) -> Float {
  let shifted = roundingShift.addingProduct(x, 1.442_695_04)
  let n = shifted - roundingShift
  let r = x.addingProduct(n, -0.693_359_375).addingProduct(n, 2.121_944_4e-4)
  var q: Float = 1.381_431_93e-3
  q = Float(8.368_850_5e-3).addingProduct(q, r)
  q = Float(4.166_840_17e-2).addingProduct(q, r)
  q = Float(1.666_651_96e-1).addingProduct(q, r)
  q = Float(4.999_999_4e-1).addingProduct(q, r)
  q = Float(1).addingProduct(q, r)
  q = Float(1).addingProduct(q, r)
  let scaled = Float(bitPattern: q.bitPattern &+ (shifted.bitPattern &<< 23))
  return x < -87 ? 0 : x > 88 ? .infinity : scaled
}

/// 2ˣ for −100 ≤ x ≤ 100, relative error < 3e-6, exactly 1 at 0; below −100 it is 2⁻¹⁰⁰.
///
/// x = n + r with |r| ≤ ½; 2ʳ = 1 + r · q(r), q by minimax fit; times 2ⁿ by adding n to the exponent field.
@inline(__always)
func powerOfTwo(_ x: Float) -> Float {
  let x = x > -100 ? x : -100
  let shifted = x + roundingShift
  let r = x - (shifted - roundingShift)
  var q: Float = 9.582_853e-3
  q = Float(5.590_642_6e-2).addingProduct(q, r)
  q = Float(2.402_409_9e-1).addingProduct(q, r)
  q = Float(6.931_242e-1).addingProduct(q, r)
  q = Float(1).addingProduct(q, r)
  return Float(bitPattern: q.bitPattern &+ (shifted.bitPattern &<< 23))
}

/// y · Φ(−y) for y ≥ 0, absolute error < 1.3e-7: what GELU loses against max(x, 0). Exactly 0 from y = 6 on.
///
/// Φ(−y) ≈ (6 − y) · P(y / 3 − 1), P by minimax fit of degree 15 to y · Φ(−y) on [0, 6], evaluated in pairs (short chains).
@inline(__always)
func normalTail(_ y: Float) -> Float {
  let y = y < 6 ? y : 6
  let s = Float(-1).addingProduct(y, 0.333_333_343)
  let s2 = s * s
  let s4 = s2 * s2
  let p01 = Float(0.000_449_960_76).addingProduct(-0.003_981_978_17, s)
  let p23 = Float(0.015_962_371_6).addingProduct(-0.037_215_154_6, s)
  let p45 = Float(0.052_497_077_4).addingProduct(-0.037_313_669_9, s)
  let p67 = Float(-0.009_997_974_15).addingProduct(0.051_922_056_8, s)
  let p89 = Float(-0.045_599_393_5).addingProduct(-0.005_191_110_54, s)
  let pAB = Float(0.041_454_501_5).addingProduct(-0.020_538_307_7, s)
  let pCD = Float(-0.015_304_428_5).addingProduct(0.013_657_039, s)
  let pEF = Float(0.002_204_198_16).addingProduct(-0.003_005_896_23, s)
  let p0to3 = p01.addingProduct(p23, s2)
  let p4to7 = p45.addingProduct(p67, s2)
  let p8toB = p89.addingProduct(pAB, s2)
  let pCtoF = pCD.addingProduct(pEF, s2)
  let p = p0to3.addingProduct(p4to7, s4).addingProduct(p8toB.addingProduct(pCtoF, s4), s4 * s4)
  return y * ((6 - y) * p)
}
