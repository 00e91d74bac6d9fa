// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES

/// Σ over a row in 64 lanes, element i in lane i mod 64: four vectors of 16, folded (v0 + v2) + (v1 + v3), then 16 → … → 1.
struct LaneSum {
  private var v0 = Lanes(), v1 = Lanes(), v2 = Lanes(), v3 = Lanes()

  @inline(__always) var total: Float { ((v0 + v2) + (v1 + v3)).sum }

  /// `add(sum, x)` returns the sum with the vector `x` added; where `x` is `pad` it must return `sum` unchanged.
  @inline(__always)
  init(_ x: UnsafePointer<Float>, _ count: Int, pad: Float = 0, _ add: (_ sum: Lanes, _ x: Lanes) -> Lanes) {
    var i = 0
    while i + 64 <= count {
      v0 = add(v0, Lanes(x + i))
      v1 = add(v1, Lanes(x + i + 16))
      v2 = add(v2, Lanes(x + i + 32))
      v3 = add(v3, Lanes(x + i + 48))
      i += 64
    }
    let left = count - i
    if left > 0 { v0 = add(v0, Lanes(x + i, count: left < 16 ? left : 16, pad: pad)) }
    if left > 16 { v1 = add(v1, Lanes(x + i + 16, count: left < 32 ? left - 16 : 16, pad: pad)) }
    if left > 32 { v2 = add(v2, Lanes(x + i + 32, count: left < 48 ? left - 32 : 16, pad: pad)) }
    if left > 48 { v3 = add(v3, Lanes(x + i + 48, count: left - 48, pad: pad)) }
  }
}

#endif
