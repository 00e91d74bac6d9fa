// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// 16 floats in four xmm registers: `a` lanes 0–3, `b` 4–7, `c` 8–11, `d` 12–15.
struct Lanes {
  var a, b, c, d: __m128

  @inline(__always) init(_ a: __m128, _ b: __m128, _ c: __m128, _ d: __m128) { (self.a, self.b, self.c, self.d) = (a, b, c, d) }
  @inline(__always) init(repeating value: Float) {
    let x = _mm_set1_ps(value)
    self.init(x, x, x, x)
  }
  @inline(__always) init() { self.init(repeating: 0) }
  @inline(__always) init(_ p: UnsafePointer<Float>) {
    self.init(_mm_loadu_ps(p), _mm_loadu_ps(p + 4), _mm_loadu_ps(p + 8), _mm_loadu_ps(p + 12))
  }
  /// The first `count` (0 … 16) floats at `p`, then zeros; nothing past them is read.
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int) { self.init(p, count: count, pad: 0) }
  /// The first `count` (0 … 16) floats at `p`, then `pad`.
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int, pad: Float) {
    if count >= 16 {
      self.init(p)
    } else {
      self.init(
        fovea_load_part_4(p, count, pad), fovea_load_part_4(p + 4, count - 4, pad), fovea_load_part_4(p + 8, count - 8, pad),
        fovea_load_part_4(p + 12, count - 12, pad))
    }
  }
  @inline(__always) init(half p: UnsafePointer<UInt16>) {
    self.init(fovea_load_half_4(p), fovea_load_half_4(p + 4), fovea_load_half_4(p + 8), fovea_load_half_4(p + 12))
  }
  @inline(__always) init(half p: UnsafePointer<UInt16>, count: Int) {
    self.init(
      fovea_load_half_part_4(p, count), fovea_load_half_part_4(p + 4, count - 4), fovea_load_half_part_4(p + 8, count - 8),
      fovea_load_half_part_4(p + 12, count - 12))
  }
  @inline(__always) init(int8 p: UnsafePointer<Int8>) {
    self.init(fovea_load_int8_4(p), fovea_load_int8_4(p + 4), fovea_load_int8_4(p + 8), fovea_load_int8_4(p + 12))
  }
  /// Whether `addingProduct` is one instruction: here it is computed in double precision.
  @inline(__always) static var fusesProducts: Bool { false }
  @inline(__always) init(bits i: IntegerLanes) {
    self.init(_mm_castsi128_ps(i.a), _mm_castsi128_ps(i.b), _mm_castsi128_ps(i.c), _mm_castsi128_ps(i.d))
  }
  /// 16 scales of one byte each, see `fovea_small_scale_bits`.
  @inline(__always) init(smallScales p: UnsafePointer<UInt8>) {
    self.init(
      fovea_load_small_scales_4(p), fovea_load_small_scales_4(p + 4), fovea_load_small_scales_4(p + 8), fovea_load_small_scales_4(p + 12))
  }

  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) {
    _mm_storeu_ps(p, a)
    _mm_storeu_ps(p + 4, b)
    _mm_storeu_ps(p + 8, c)
    _mm_storeu_ps(p + 12, d)
  }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, count: Int) {
    if count >= 16 { return store(p) }
    fovea_store_part_4(p, a, count)
    fovea_store_part_4(p + 4, b, count - 4)
    fovea_store_part_4(p + 8, c, count - 8)
    fovea_store_part_4(p + 12, d, count - 12)
  }
  @inline(__always) func storeHalf(_ p: UnsafeMutablePointer<UInt16>, count: Int) {
    fovea_store_half_part_4(p, a, count)
    fovea_store_half_part_4(p + 4, b, count - 4)
    fovea_store_half_part_4(p + 8, c, count - 8)
    fovea_store_half_part_4(p + 12, d, count - 12)
  }

  @inline(__always) static func + (x: Lanes, y: Lanes) -> Lanes {
    Lanes(_mm_add_ps(x.a, y.a), _mm_add_ps(x.b, y.b), _mm_add_ps(x.c, y.c), _mm_add_ps(x.d, y.d))
  }
  @inline(__always) static func - (x: Lanes, y: Lanes) -> Lanes {
    Lanes(_mm_sub_ps(x.a, y.a), _mm_sub_ps(x.b, y.b), _mm_sub_ps(x.c, y.c), _mm_sub_ps(x.d, y.d))
  }
  @inline(__always) static func * (x: Lanes, y: Lanes) -> Lanes {
    Lanes(_mm_mul_ps(x.a, y.a), _mm_mul_ps(x.b, y.b), _mm_mul_ps(x.c, y.c), _mm_mul_ps(x.d, y.d))
  }
  @inline(__always) static func / (x: Lanes, y: Lanes) -> Lanes {
    Lanes(_mm_div_ps(x.a, y.a), _mm_div_ps(x.b, y.b), _mm_div_ps(x.c, y.c), _mm_div_ps(x.d, y.d))
  }
  /// self + x · y, rounded once.
  @inline(__always) func addingProduct(_ x: Lanes, _ y: Lanes) -> Lanes {
    Lanes(
      fovea_add_product_4(x.a, y.a, a), fovea_add_product_4(x.b, y.b, b), fovea_add_product_4(x.c, y.c, c),
      fovea_add_product_4(x.d, y.d, d))
  }
  /// x · y − self, rounded once.
  @inline(__always) func subtractedFromProduct(_ x: Lanes, _ y: Lanes) -> Lanes {
    let sign = _mm_set1_ps(-0.0)
    return Lanes(_mm_xor_ps(a, sign), _mm_xor_ps(b, sign), _mm_xor_ps(c, sign), _mm_xor_ps(d, sign)).addingProduct(x, y)
  }
  /// self > other ? self : other, lane by lane.
  @inline(__always) func max(_ other: Lanes) -> Lanes {
    Lanes(_mm_max_ps(a, other.a), _mm_max_ps(b, other.b), _mm_max_ps(c, other.c), _mm_max_ps(d, other.d))
  }
  /// self < other ? self : other, lane by lane.
  @inline(__always) func min(_ other: Lanes) -> Lanes {
    Lanes(_mm_min_ps(a, other.a), _mm_min_ps(b, other.b), _mm_min_ps(c, other.c), _mm_min_ps(d, other.d))
  }
  @inline(__always) var magnitude: Lanes {
    let sign = _mm_set1_ps(-0.0)
    return Lanes(_mm_andnot_ps(sign, a), _mm_andnot_ps(sign, b), _mm_andnot_ps(sign, c), _mm_andnot_ps(sign, d))
  }
  /// p < q ? x : y, lane by lane.
  @inline(__always) static func select(_ p: Lanes, isLess q: Lanes, _ x: Lanes, else y: Lanes) -> Lanes {
    Lanes(
      fovea_select_less_4(p.a, q.a, x.a, y.a), fovea_select_less_4(p.b, q.b, x.b, y.b),
      fovea_select_less_4(p.c, q.c, x.c, y.c), fovea_select_less_4(p.d, q.d, x.d, y.d))
  }
  /// self with the low bits of `shifted` added to the exponent fields.
  @inline(__always) func scaled(byExponents shifted: Lanes) -> Lanes {
    Lanes(
      fovea_add_exponents_4(a, shifted.a), fovea_add_exponents_4(b, shifted.b), fovea_add_exponents_4(c, shifted.c),
      fovea_add_exponents_4(d, shifted.d))
  }
  /// self with the low bits of `shifted` added to the exponent fields; 0 where p < q.
  @inline(__always) func scaled(byExponents shifted: Lanes, zeroWhere p: Lanes, isLess q: Lanes) -> Lanes {
    let x = scaled(byExponents: shifted)
    return Lanes(
      fovea_zero_where_less_4(x.a, p.a, q.a), fovea_zero_where_less_4(x.b, p.b, q.b), fovea_zero_where_less_4(x.c, p.c, q.c),
      fovea_zero_where_less_4(x.d, p.d, q.d))
  }

  /// Lanes folded 16 → 8 → 4 → 2 → 1, lane i with lane i + half.
  @inline(__always) var sum: Float { fovea_sum_4(_mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d))) }
  @inline(__always) var largest: Float { fovea_largest_4(_mm_max_ps(_mm_max_ps(a, c), _mm_max_ps(b, d))) }
}

/// Columns 0 … 3 of 16 rows at `p`, rows `stride` bytes apart: lane i is row i.
@inline(__always)
func transposed(_ p: UnsafeRawPointer, _ stride: Int) -> (Lanes, Lanes, Lanes, Lanes) {
  let (w, x) = (transposed4(p, stride), transposed4(p + 4 * stride, stride))
  let (y, z) = (transposed4(p + 8 * stride, stride), transposed4(p + 12 * stride, stride))
  return (Lanes(w.0, x.0, y.0, z.0), Lanes(w.1, x.1, y.1, z.1), Lanes(w.2, x.2, y.2, z.2), Lanes(w.3, x.3, y.3, z.3))
}

@inline(__always)
private func transposed4(_ p: UnsafeRawPointer, _ stride: Int) -> (__m128, __m128, __m128, __m128) {
  @inline(__always) func row(_ i: Int) -> __m128 { _mm_loadu_ps((p + i * stride).assumingMemoryBound(to: Float.self)) }
  let (a, b) = (_mm_unpacklo_ps(row(0), row(1)), _mm_unpackhi_ps(row(0), row(1)))
  let (c, d) = (_mm_unpacklo_ps(row(2), row(3)), _mm_unpackhi_ps(row(2), row(3)))
  return (fovea_low_pairs_4(a, c), fovea_high_pairs_4(a, c), fovea_low_pairs_4(b, d), fovea_high_pairs_4(b, d))
}

extension Lanes {
  /// The f16 in the low 16 bits of each lane, widened.
  @inline(__always) var lowHalves: Lanes {
    Lanes(fovea_low_halves_4(a), fovea_low_halves_4(b), fovea_low_halves_4(c), fovea_low_halves_4(d))
  }
  /// The f16 in the high 16 bits of each lane, widened.
  @inline(__always) var highHalves: Lanes {
    Lanes(fovea_high_halves_4(a), fovea_high_halves_4(b), fovea_high_halves_4(c), fovea_high_halves_4(d))
  }
  /// The int8 of each lane that has `bits` bits above it, widened.
  @inline(__always) func bytes(above bits: Int32) -> Lanes {
    Lanes(fovea_bytes_above_4(a, bits), fovea_bytes_above_4(b, bits), fovea_bytes_above_4(c, bits), fovea_bytes_above_4(d, bits))
  }
}
#endif
