// SPDX-License-Identifier: Apache-2.0
#if arch(arm64)
import Shims

/// 16 floats in four registers: `a` lanes 0–3, `b` 4–7, `c` 8–11, `d` 12–15.
struct Lanes {
  var a, b, c, d: float32x4_t

  @inline(__always) init(_ a: float32x4_t, _ b: float32x4_t, _ c: float32x4_t, _ d: float32x4_t) {
    (self.a, self.b, self.c, self.d) = (a, b, c, d)
  }
  @inline(__always) private init(_ x: float32x4x4_t) { self.init(x.val.0, x.val.1, x.val.2, x.val.3) }
  @inline(__always) init(repeating value: Float) {
    let x = vdupq_n_f32(value)
    self.init(x, x, x, x)
  }
  @inline(__always) init() { self.init(repeating: 0) }
  @inline(__always) init(_ p: UnsafePointer<Float>) {
    self.init(fovea_load_4(p), fovea_load_4(p + 4), fovea_load_4(p + 8), fovea_load_4(p + 12))
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
  @inline(__always) init(int8 p: UnsafePointer<Int8>) { self.init(fovea_load_int8_16(p)) }
  /// Whether `addingProduct` is one instruction.
  @inline(__always) static var fusesProducts: Bool { true }
  @inline(__always) init(bits i: IntegerLanes) {
    self.init(vreinterpretq_f32_s32(i.a), vreinterpretq_f32_s32(i.b), vreinterpretq_f32_s32(i.c), vreinterpretq_f32_s32(i.d))
  }
  /// 16 scales of one byte each, see `fovea_small_scale_bits`.
  @inline(__always) init(smallScales p: UnsafePointer<UInt8>) { self.init(fovea_load_small_scales_16(p)) }

  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) {
    fovea_store_4(p, a)
    fovea_store_4(p + 4, b)
    fovea_store_4(p + 8, c)
    fovea_store_4(p + 12, d)
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
    Lanes(vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d))
  }
  @inline(__always) static func - (x: Lanes, y: Lanes) -> Lanes {
    Lanes(vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d))
  }
  @inline(__always) static func * (x: Lanes, y: Lanes) -> Lanes {
    Lanes(vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d))
  }
  @inline(__always) static func / (x: Lanes, y: Lanes) -> Lanes {
    Lanes(vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d))
  }
  /// self + x · y, rounded once.
  @inline(__always) func addingProduct(_ x: Lanes, _ y: Lanes) -> Lanes {
    Lanes(vfmaq_f32(a, x.a, y.a), vfmaq_f32(b, x.b, y.b), vfmaq_f32(c, x.c, y.c), vfmaq_f32(d, x.d, y.d))
  }
  /// x · y − self, rounded once.
  @inline(__always) func subtractedFromProduct(_ x: Lanes, _ y: Lanes) -> Lanes {
    Lanes(vnegq_f32(a), vnegq_f32(b), vnegq_f32(c), vnegq_f32(d)).addingProduct(x, y)
  }
  /// self > other ? self : other, lane by lane.
  @inline(__always) func max(_ other: Lanes) -> Lanes {
    Lanes(fovea_max_4(a, other.a), fovea_max_4(b, other.b), fovea_max_4(c, other.c), fovea_max_4(d, other.d))
  }
  /// self < other ? self : other, lane by lane.
  @inline(__always) func min(_ other: Lanes) -> Lanes {
    Lanes(fovea_min_4(a, other.a), fovea_min_4(b, other.b), fovea_min_4(c, other.c), fovea_min_4(d, other.d))
  }
  @inline(__always) var magnitude: Lanes { Lanes(vabsq_f32(a), vabsq_f32(b), vabsq_f32(c), vabsq_f32(d)) }
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
  @inline(__always) var sum: Float { fovea_sum_4(vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d))) }
  @inline(__always) var largest: Float { fovea_largest_4(fovea_max_4(fovea_max_4(a, c), fovea_max_4(b, d))) }
}

/// Columns 0 … 3 of 16 rows at `p`, rows `stride` bytes apart: lane i is row i.
@inline(__always)
func transposed(_ p: UnsafeRawPointer, _ stride: Int) -> (Lanes, Lanes, Lanes, Lanes) {
  let (w, x) = (transposed4(p, stride), transposed4(p + 4 * stride, stride))
  let (y, z) = (transposed4(p + 8 * stride, stride), transposed4(p + 12 * stride, stride))
  return (Lanes(w.0, x.0, y.0, z.0), Lanes(w.1, x.1, y.1, z.1), Lanes(w.2, x.2, y.2, z.2), Lanes(w.3, x.3, y.3, z.3))
}

@inline(__always)
private func transposed4(_ p: UnsafeRawPointer, _ stride: Int) -> (float32x4_t, float32x4_t, float32x4_t, float32x4_t) {
  let (r0, r1, r2, r3) = (fovea_load_4(p), fovea_load_4(p + stride), fovea_load_4(p + 2 * stride), fovea_load_4(p + 3 * stride))
  // Rows 0 and 2, then 1 and 3, then both results: each step puts neighbours beside each other.
  let (a, b) = (vzip1q_f32(r0, r2), vzip2q_f32(r0, r2))
  let (c, d) = (vzip1q_f32(r1, r3), vzip2q_f32(r1, r3))
  return (vzip1q_f32(a, c), vzip2q_f32(a, c), vzip1q_f32(b, d), vzip2q_f32(b, d))
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
