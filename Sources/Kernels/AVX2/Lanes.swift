// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// 16 floats in two ymm registers: `a` lanes 0–7, `b` lanes 8–15. Also compiled into KernelsAVXVNNI.
struct Lanes {
  var a, b: __m256

  @inline(__always) init(_ a: __m256, _ b: __m256) { (self.a, self.b) = (a, b) }
  @inline(__always) init(repeating value: Float) { self.init(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
  @inline(__always) init() { self.init(_mm256_setzero_ps(), _mm256_setzero_ps()) }
  @inline(__always) init(_ p: UnsafePointer<Float>) { self.init(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)) }
  /// The first `count` (0 … 16) floats at `p`, then zeros; nothing past them is read.
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int) {
    let count = Int32(truncatingIfNeeded: count)
    self.init(_mm256_maskload_ps(p, fovea_mask_256(count)), _mm256_maskload_ps(p + 8, fovea_mask_256(count - 8)))
  }
  /// The first `count` (0 … 16) floats at `p`, then `pad`.
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int, pad: Float) {
    let count = Int32(truncatingIfNeeded: count)
    let (first, second) = (fovea_mask_256(count), fovea_mask_256(count - 8))
    let pads = _mm256_set1_ps(pad)
    self.init(
      _mm256_blendv_ps(pads, _mm256_maskload_ps(p, first), _mm256_castsi256_ps(first)),
      _mm256_blendv_ps(pads, _mm256_maskload_ps(p + 8, second), _mm256_castsi256_ps(second)))
  }
  @inline(__always) init(half p: UnsafePointer<UInt16>) { self.init(fovea_load_half_8(p), fovea_load_half_8(p + 8)) }
  @inline(__always) init(half p: UnsafePointer<UInt16>, count: Int) {
    var halves = SIMD16<UInt16>()
    for i in 0..<count { halves[i] = p[i] }
    let both = unsafeBitCast(halves, to: Halves.self)
    self.init(_mm256_cvtph_ps(both.a), _mm256_cvtph_ps(both.b))
  }
  @inline(__always) init(int8 p: UnsafePointer<Int8>) { self.init(fovea_load_int8_8(p), fovea_load_int8_8(p + 8)) }
  /// Whether `addingProduct` is one instruction.
  @inline(__always) static var fusesProducts: Bool { true }
  @inline(__always) init(bits i: IntegerLanes) { self.init(_mm256_castsi256_ps(i.a), _mm256_castsi256_ps(i.b)) }
  /// 16 scales of one byte each, see `fovea_small_scale_bits`.
  @inline(__always) init(smallScales p: UnsafePointer<UInt8>) { self.init(fovea_load_small_scales_8(p), fovea_load_small_scales_8(p + 8)) }

  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) {
    _mm256_storeu_ps(p, a)
    _mm256_storeu_ps(p + 8, b)
  }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, count: Int) {
    let count = Int32(truncatingIfNeeded: count)
    _mm256_maskstore_ps(p, fovea_mask_256(count), a)
    _mm256_maskstore_ps(p + 8, fovea_mask_256(count - 8), b)
  }
  @inline(__always) func storeHalf(_ p: UnsafeMutablePointer<UInt16>, count: Int) {
    if count >= 16 {
      fovea_store_half_8(p, a)
      fovea_store_half_8(p + 8, b)
    } else {
      let halves = unsafeBitCast(Halves(a: fovea_half_8(a), b: fovea_half_8(b)), to: SIMD16<UInt16>.self)
      for i in 0..<count { p[i] = halves[i] }
    }
  }

  @inline(__always) static func + (x: Lanes, y: Lanes) -> Lanes { Lanes(_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)) }
  @inline(__always) static func - (x: Lanes, y: Lanes) -> Lanes { Lanes(_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)) }
  @inline(__always) static func * (x: Lanes, y: Lanes) -> Lanes { Lanes(_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)) }
  @inline(__always) static func / (x: Lanes, y: Lanes) -> Lanes { Lanes(_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)) }
  /// self + x · y, rounded once.
  @inline(__always) func addingProduct(_ x: Lanes, _ y: Lanes) -> Lanes {
    Lanes(_mm256_fmadd_ps(x.a, y.a, a), _mm256_fmadd_ps(x.b, y.b, b))
  }
  /// x · y − self, rounded once.
  @inline(__always) func subtractedFromProduct(_ x: Lanes, _ y: Lanes) -> Lanes {
    Lanes(_mm256_fmsub_ps(x.a, y.a, a), _mm256_fmsub_ps(x.b, y.b, b))
  }
  /// self > other ? self : other, lane by lane.
  @inline(__always) func max(_ other: Lanes) -> Lanes { Lanes(_mm256_max_ps(a, other.a), _mm256_max_ps(b, other.b)) }
  /// self < other ? self : other, lane by lane.
  @inline(__always) func min(_ other: Lanes) -> Lanes { Lanes(_mm256_min_ps(a, other.a), _mm256_min_ps(b, other.b)) }
  @inline(__always) var magnitude: Lanes {
    let sign = _mm256_set1_ps(-0.0)
    return Lanes(_mm256_andnot_ps(sign, a), _mm256_andnot_ps(sign, b))
  }
  /// p < q ? x : y, lane by lane.
  @inline(__always) static func select(_ p: Lanes, isLess q: Lanes, _ x: Lanes, else y: Lanes) -> Lanes {
    Lanes(fovea_select_less_256(p.a, q.a, x.a, y.a), fovea_select_less_256(p.b, q.b, x.b, y.b))
  }
  /// self with the low bits of `shifted` added to the exponent fields.
  @inline(__always) func scaled(byExponents shifted: Lanes) -> Lanes {
    Lanes(fovea_add_exponents_256(a, shifted.a), fovea_add_exponents_256(b, shifted.b))
  }
  /// self with the low bits of `shifted` added to the exponent fields; 0 where p < q.
  @inline(__always) func scaled(byExponents shifted: Lanes, zeroWhere p: Lanes, isLess q: Lanes) -> Lanes {
    Lanes(
      _mm256_and_ps(fovea_not_less_256(p.a, q.a), fovea_add_exponents_256(a, shifted.a)),
      _mm256_and_ps(fovea_not_less_256(p.b, q.b), fovea_add_exponents_256(b, shifted.b)))
  }

  /// Lanes folded 16 → 8 → 4 → 2 → 1, lane i with lane i + half.
  @inline(__always) var sum: Float { fovea_sum_256(_mm256_add_ps(a, b)) }
  @inline(__always) var largest: Float { fovea_max_256(_mm256_max_ps(a, b)) }
}

private struct Halves { var a, b: __m128i }

/// 16 int32.
struct IntegerLanes {
  var a, b: __m256i

  @inline(__always) init(_ a: __m256i, _ b: __m256i) { (self.a, self.b) = (a, b) }
  @inline(__always) init() { self.init(_mm256_setzero_si256(), _mm256_setzero_si256()) }
  /// The bits of `x` less those of `y`.
  @inline(__always) init(bitsOf x: Lanes, minus y: Lanes) {
    self.init(
      _mm256_sub_epi32(_mm256_castps_si256(x.a), _mm256_castps_si256(y.a)),
      _mm256_sub_epi32(_mm256_castps_si256(x.b), _mm256_castps_si256(y.b)))
  }
  @inline(__always) func clamped(to limit: Int32) -> IntegerLanes {
    let (low, high) = (_mm256_set1_epi32(-limit), _mm256_set1_epi32(limit))
    return IntegerLanes(
      _mm256_min_epi32(_mm256_max_epi32(a, low), high), _mm256_min_epi32(_mm256_max_epi32(b, low), high))
  }
  @inline(__always) static func + (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes {
    IntegerLanes(_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b))
  }
  @inline(__always) func storeLowBytes(_ p: UnsafeMutablePointer<Int8>) {
    fovea_store_low_bytes_8(p, a)
    fovea_store_low_bytes_8(p + 8, b)
  }
  @inline(__always) var sum: Int32 { fovea_sum_epi32_256(_mm256_add_epi32(a, b)) }

  /// 64 bytes.
  @inline(__always) init(_ p: UnsafeRawPointer) {
    let p = p.assumingMemoryBound(to: __m256i.self)
    self.init(_mm256_loadu_si256(p), _mm256_loadu_si256(p + 1))
  }
  @inline(__always) init(repeating value: Int32) { self.init(_mm256_set1_epi32(value), _mm256_set1_epi32(value)) }
  @inline(__always) func store(_ p: UnsafeMutableRawPointer) {
    let p = p.assumingMemoryBound(to: __m256i.self)
    _mm256_storeu_si256(p, a)
    _mm256_storeu_si256(p + 1, b)
  }
  @inline(__always) func storeLowWords(_ p: UnsafeMutablePointer<Int16>) {
    fovea_store_low_words_8(p, a)
    fovea_store_low_words_8(p + 8, b)
  }
  @inline(__always) var floats: Lanes { Lanes(_mm256_cvtepi32_ps(a), _mm256_cvtepi32_ps(b)) }
  @inline(__always) static func - (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes {
    IntegerLanes(_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b))
  }
  /// The low words of self, and above them those of `high`.
  @inline(__always) func paired(_ high: IntegerLanes) -> IntegerLanes {
    let mask = _mm256_set1_epi32(0xFFFF)
    return IntegerLanes(
      _mm256_or_si256(_mm256_and_si256(a, mask), _mm256_slli_epi32(high.a, 16)),
      _mm256_or_si256(_mm256_and_si256(b, mask), _mm256_slli_epi32(high.b, 16)))
  }
}

/// Columns 0 … 3 of 16 rows at `p`, rows `stride` bytes apart: lane i is row i.
@inline(__always)
func transposed(_ p: UnsafeRawPointer, _ stride: Int) -> (Lanes, Lanes, Lanes, Lanes) {
  let (x, y) = (transposed8(p, stride), transposed8(p + 8 * stride, stride))
  return (Lanes(x.0, y.0), Lanes(x.1, y.1), Lanes(x.2, y.2), Lanes(x.3, y.3))
}

@inline(__always)
private func transposed8(_ p: UnsafeRawPointer, _ stride: Int) -> (__m256, __m256, __m256, __m256) {
  let (r0, r1) = (fovea_load_2x4_256(p, stride), fovea_load_2x4_256(p + stride, stride))
  let (r2, r3) = (fovea_load_2x4_256(p + 2 * stride, stride), fovea_load_2x4_256(p + 3 * stride, stride))
  let (a, b) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1))
  let (c, d) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3))
  return (fovea_low_pairs_256(a, c), fovea_high_pairs_256(a, c), fovea_low_pairs_256(b, d), fovea_high_pairs_256(b, d))
}

extension Lanes {
  /// The f16 in the low 16 bits of each lane, widened.
  @inline(__always) var lowHalves: Lanes { Lanes(fovea_low_halves_256(a), fovea_low_halves_256(b)) }
  /// The f16 in the high 16 bits of each lane, widened.
  @inline(__always) var highHalves: Lanes { Lanes(fovea_high_halves_256(a), fovea_high_halves_256(b)) }
  /// The int8 of each lane that has `bits` bits above it, widened.
  @inline(__always) func bytes(above bits: Int32) -> Lanes {
    Lanes(fovea_bytes_above_256(a, bits), fovea_bytes_above_256(b, bits))
  }
}

#endif
