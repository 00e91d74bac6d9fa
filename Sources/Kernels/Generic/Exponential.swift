// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

/// Adding and subtracting 1.5 · 2²³ rounds |x| < 2²² to the nearest integer, ties to even.
@inline(__always) var roundingShift: Lanes { Lanes(repeating: 12_582_912) }

/// eˣ, 16 at a time: `exponential` of KernelsScalar, exact to it.
@inline(__always)
func exponential(_ x: Lanes) -> Lanes {
  Lanes.select(Lanes(repeating: 88), isLess: x, Lanes(repeating: .infinity), else: exponential(upTo88: x))
}

/// The same for x ≤ 88.
@inline(__always)
func exponential(upTo88 x: Lanes) -> Lanes {
  let one = Lanes(repeating: 1)
  let shifted = roundingShift.addingProduct(x, Lanes(repeating: 1.442_695_04))
  let n = shifted - roundingShift
  let r = x.addingProduct(n, Lanes(repeating: -0.693_359_375)).addingProduct(n, Lanes(repeating: 2.121_944_4e-4))
  var q = Lanes(repeating: 1.381_431_93e-3)
  q = Lanes(repeating: 8.368_850_5e-3).addingProduct(q, r)
  q = Lanes(repeating: 4.166_840_17e-2).addingProduct(q, r)
  q = Lanes(repeating: 1.666_651_96e-1).addingProduct(q, r)
  q = Lanes(repeating: 4.999_999_4e-1).addingProduct(q, r)
  q = one.addingProduct(q, r)
  q = one.addingProduct(q, r)
  return q.scaled(byExponents: shifted, zeroWhere: x, isLess: Lanes(repeating: -87))
}

/// 2ˣ for x ≤ 100, 16 at a time: `powerOfTwo` of KernelsScalar, exact to it.
@inline(__always)
func powerOfTwo(_ x: Lanes) -> Lanes {
  let x = x.max(Lanes(repeating: -100))
  let shifted = x + roundingShift
  let r = x - (shifted - roundingShift)
  var q = Lanes(repeating: 9.582_853e-3)
  q = Lanes(repeating: 5.590_642_6e-2).addingProduct(q, r)
  q = Lanes(repeating: 2.402_409_9e-1).addingProduct(q, r)
  q = Lanes(repeating: 6.931_242e-1).addingProduct(q, r)
  q = Lanes(repeating: 1).addingProduct(q, r)
  return q.scaled(byExponents: shifted)
}

/// y · Φ(−y) for y ≥ 0, 16 at a time: `normalTail` of KernelsScalar, exact to it.
@inline(__always)
func normalTail(_ y: Lanes) -> Lanes {
  let six = Lanes(repeating: 6)
  let y = y.min(six)
  let s = Lanes(repeating: -1).addingProduct(y, Lanes(repeating: 0.333_333_343))
  let s2 = s * s
  let s4 = s2 * s2
  let p01 = Lanes(repeating: 0.000_449_960_76).addingProduct(Lanes(repeating: -0.003_981_978_17), s)
  let p23 = Lanes(repeating: 0.015_962_371_6).addingProduct(Lanes(repeating: -0.037_215_154_6), s)
  let p45 = Lanes(repeating: 0.052_497_077_4).addingProduct(Lanes(repeating: -0.037_313_669_9), s)
  let p67 = Lanes(repeating: -0.009_997_974_15).addingProduct(Lanes(repeating: 0.051_922_056_8), s)
  let p89 = Lanes(repeating: -0.045_599_393_5).addingProduct(Lanes(repeating: -0.005_191_110_54), s)
  let pAB = Lanes(repeating: 0.041_454_501_5).addingProduct(Lanes(repeating: -0.020_538_307_7), s)
  let pCD = Lanes(repeating: -0.015_304_428_5).addingProduct(Lanes(repeating: 0.013_657_039), s)
  let pEF = Lanes(repeating: 0.002_204_198_16).addingProduct(Lanes(repeating: -0.003_005_896_23), s)
  let p0to3 = p01.addingProduct(p23, s2)
  let p4to7 = p45.addingProduct(p67, s2)
  let p8toB = p89.addingProduct(pAB, s2)
  let pCtoF = pCD.addingProduct(pEF, s2)
  let p = p0to3.addingProduct(p4to7, s4).addingProduct(p8toB.addingProduct(pCtoF, s4), s4 * s4)
  return y * ((six - y) * p)
}

#endif
