// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)

/// Adding and taking away 1.5 · 2²³ rounds |x| < 2²² to the nearest integer, ties to even.
@inline(__always) var roundingShift: Lanes { Lanes(repeating: 12_582_912) }

/// eˣ, 16 at a time: `exponential` of KernelsScalar, exact to it.
@inline(__always)
func exponential(_ x: Lanes) -> Lanes {
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
  let finite = Lanes.select(Lanes(repeating: 88), isLess: x, Lanes(repeating: .infinity), else: q.scaled(byExponents: shifted))
  return Lanes.select(x, isLess: Lanes(repeating: -87), Lanes(), else: finite)
}

/// y · Φ(−y) for y ≥ 0, 16 at a time: `normalTail` of KernelsScalar, exact to it.
@inline(__always)
func normalTail(_ y: Lanes) -> Lanes {
  let six = Lanes(repeating: 6)
  let y = y.min(six)
  let s = Lanes(repeating: -1).addingProduct(y, Lanes(repeating: 0.333_333_343))
  var p = Lanes(repeating: -0.003_005_896_23)
  p = Lanes(repeating: 0.002_204_198_16).addingProduct(p, s)
  p = Lanes(repeating: 0.013_657_039).addingProduct(p, s)
  p = Lanes(repeating: -0.015_304_428_5).addingProduct(p, s)
  p = Lanes(repeating: -0.020_538_307_7).addingProduct(p, s)
  p = Lanes(repeating: 0.041_454_501_5).addingProduct(p, s)
  p = Lanes(repeating: -0.005_191_110_54).addingProduct(p, s)
  p = Lanes(repeating: -0.045_599_393_5).addingProduct(p, s)
  p = Lanes(repeating: 0.051_922_056_8).addingProduct(p, s)
  p = Lanes(repeating: -0.009_997_974_15).addingProduct(p, s)
  p = Lanes(repeating: -0.037_313_669_9).addingProduct(p, s)
  p = Lanes(repeating: 0.052_497_077_4).addingProduct(p, s)
  p = Lanes(repeating: -0.037_215_154_6).addingProduct(p, s)
  p = Lanes(repeating: 0.015_962_371_6).addingProduct(p, s)
  p = Lanes(repeating: -0.003_981_978_17).addingProduct(p, s)
  p = Lanes(repeating: 0.000_449_960_76).addingProduct(p, s)
  return y * ((six - y) * p)
}

#endif
