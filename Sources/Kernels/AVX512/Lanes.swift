// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// 16 floats in one zmm register.
struct Lanes {
  var v: __m512

  @inline(__always) init(_ v: __m512) { self.v = v }
  @inline(__always) init(repeating value: Float) { v = _mm512_set1_ps(value) }
  @inline(__always) init() { v = _mm512_setzero_ps() }
  @inline(__always) init(_ p: UnsafePointer<Float>) { v = _mm512_loadu_ps(p) }
  /// The first `count` (0 … 16) floats at `p`, then zeros; nothing past them is read.
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int) {
    v = _mm512_maskz_loadu_ps(fovea_mask_512(Int32(truncatingIfNeeded: count)), p)
  }
  /// The first `count` (0 … 16) floats at `p`, then `pad`.
  @inline(__always) init(_ p: UnsafePointer<Float>, count: Int, pad: Float) {
    v = _mm512_mask_loadu_ps(_mm512_set1_ps(pad), fovea_mask_512(Int32(truncatingIfNeeded: count)), p)
  }
  @inline(__always) init(half p: UnsafePointer<UInt16>) { v = fovea_load_half_16(p) }
  @inline(__always) init(half p: UnsafePointer<UInt16>, count: Int) {
    v = fovea_load_half_16_masked(p, Int32(truncatingIfNeeded: count))
  }

  @inline(__always) init(int8 p: UnsafePointer<Int8>) { v = fovea_load_int8_16(p) }
  /// Whether `addingProduct` is one instruction.
  @inline(__always) static var fusesProducts: Bool { true }
  @inline(__always) init(bits i: IntegerLanes) { v = _mm512_castsi512_ps(i.v) }
  /// 16 scales of one byte each, see `fovea_small_scale_bits`.
  @inline(__always) init(smallScales p: UnsafePointer<UInt8>) { v = fovea_load_small_scales_16(p) }

  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) { _mm512_storeu_ps(p, v) }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, count: Int) {
    _mm512_mask_storeu_ps(p, fovea_mask_512(Int32(truncatingIfNeeded: count)), v)
  }
  @inline(__always) func storeHalf(_ p: UnsafeMutablePointer<UInt16>, count: Int) {
    fovea_store_half_16_masked(p, v, Int32(truncatingIfNeeded: count))
  }

  @inline(__always) static func + (a: Lanes, b: Lanes) -> Lanes { Lanes(_mm512_add_ps(a.v, b.v)) }
  @inline(__always) static func - (a: Lanes, b: Lanes) -> Lanes { Lanes(_mm512_sub_ps(a.v, b.v)) }
  @inline(__always) static func * (a: Lanes, b: Lanes) -> Lanes { Lanes(_mm512_mul_ps(a.v, b.v)) }
  @inline(__always) static func / (a: Lanes, b: Lanes) -> Lanes { Lanes(_mm512_div_ps(a.v, b.v)) }
  /// self + a · b, rounded once.
  @inline(__always) func addingProduct(_ a: Lanes, _ b: Lanes) -> Lanes { Lanes(_mm512_fmadd_ps(a.v, b.v, v)) }
  /// a · b − self, rounded once.
  @inline(__always) func subtractedFromProduct(_ a: Lanes, _ b: Lanes) -> Lanes { Lanes(_mm512_fmsub_ps(a.v, b.v, v)) }
  /// self > other ? self : other, lane by lane.
  @inline(__always) func max(_ other: Lanes) -> Lanes { Lanes(_mm512_max_ps(v, other.v)) }
  /// self < other ? self : other, lane by lane.
  @inline(__always) func min(_ other: Lanes) -> Lanes { Lanes(_mm512_min_ps(v, other.v)) }
  @inline(__always) var magnitude: Lanes { Lanes(_mm512_abs_ps(v)) }
  /// a < b ? x : y, lane by lane.
  @inline(__always) static func select(_ a: Lanes, isLess b: Lanes, _ x: Lanes, else y: Lanes) -> Lanes {
    Lanes(fovea_select_less_512(a.v, b.v, x.v, y.v))
  }
  /// self with the low bits of `shifted` added to the exponent fields.
  @inline(__always) func scaled(byExponents shifted: Lanes) -> Lanes {
    let exponents = _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23)
    return Lanes(_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(v), exponents)))
  }
  /// self with the low bits of `shifted` added to the exponent fields; 0 where a < b.
  @inline(__always) func scaled(byExponents shifted: Lanes, zeroWhere a: Lanes, isLess b: Lanes) -> Lanes {
    let exponents = _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23)
    let sum = _mm512_maskz_add_epi32(fovea_not_less_512(a.v, b.v), _mm512_castps_si512(v), exponents)
    return Lanes(_mm512_castsi512_ps(sum))
  }

  /// Lanes folded 16 → 8 → 4 → 2 → 1, lane i with lane i + half.
  @inline(__always) var sum: Float { fovea_sum_512(v) }
  @inline(__always) var largest: Float { fovea_max_512(v) }
}

/// 16 int32.
struct IntegerLanes {
  var v: __m512i

  @inline(__always) init(_ v: __m512i) { self.v = v }
  @inline(__always) init() { v = _mm512_setzero_si512() }
  /// The bits of `x` less those of `y`.
  @inline(__always) init(bitsOf x: Lanes, minus y: Lanes) {
    v = _mm512_sub_epi32(_mm512_castps_si512(x.v), _mm512_castps_si512(y.v))
  }
  @inline(__always) func clamped(to limit: Int32) -> IntegerLanes {
    IntegerLanes(_mm512_min_epi32(_mm512_max_epi32(v, _mm512_set1_epi32(-limit)), _mm512_set1_epi32(limit)))
  }
  @inline(__always) static func + (a: IntegerLanes, b: IntegerLanes) -> IntegerLanes { IntegerLanes(_mm512_add_epi32(a.v, b.v)) }
  @inline(__always) func storeLowBytes(_ p: UnsafeMutablePointer<Int8>) {
    _mm_storeu_si128(UnsafeMutableRawPointer(p).assumingMemoryBound(to: __m128i.self), _mm512_cvtepi32_epi8(v))
  }
  @inline(__always) var sum: Int32 { fovea_sum_epi32_512(v) }

  /// 64 bytes.
  @inline(__always) init(_ p: UnsafeRawPointer) { v = _mm512_loadu_si512(p) }
  @inline(__always) init(repeating value: Int32) { v = _mm512_set1_epi32(value) }
  @inline(__always) func store(_ p: UnsafeMutableRawPointer) { _mm512_storeu_si512(p, v) }
  @inline(__always) func storeLowWords(_ p: UnsafeMutablePointer<Int16>) {
    _mm256_storeu_si256(UnsafeMutableRawPointer(p).assumingMemoryBound(to: __m256i.self), _mm512_cvtepi32_epi16(v))
  }
  @inline(__always) var floats: Lanes { Lanes(_mm512_cvtepi32_ps(v)) }
  /// Each lane plus the products of its two int16 with those of `x`.
  @inline(__always) func addingPairs(_ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes {
    IntegerLanes(_mm512_dpwssd_epi32(v, w.v, x.v))
  }
  @inline(__always) static var quadOffset: Int32 { 128 }
  /// Bias subtracted from stored attention weights.
  @inline(__always) static var weightOffset: Int32 { 0 }
  @inline(__always) static func - (a: IntegerLanes, b: IntegerLanes) -> IntegerLanes { IntegerLanes(_mm512_sub_epi32(a.v, b.v)) }
  /// The low words of self, and above them those of `high`.
  @inline(__always) func paired(_ high: IntegerLanes) -> IntegerLanes {
    IntegerLanes(_mm512_or_si512(_mm512_and_si512(v, _mm512_set1_epi32(0xFFFF)), _mm512_slli_epi32(high.v, 16)))
  }
  /// The low bytes of four keys' values in one quad.
  @inline(__always) static func storeBytes(
    _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, to p: UnsafeMutablePointer<Int32>, step: Int
  ) {
    let low = _mm512_mask_mov_epi8(a.v, 0x2222_2222_2222_2222, _mm512_slli_epi32(b.v, 8))
    let high = _mm512_mask_mov_epi8(c.v, 0x2222_2222_2222_2222, _mm512_slli_epi32(d.v, 8))
    IntegerLanes(_mm512_mask_mov_epi16(low, 0xAAAA_AAAA, _mm512_slli_epi32(high, 16))).store(p)
  }

  /// 64 weights to quads: lane i's of a, b, c and d together.
  /// - Returns: their sums, lane by lane.
  @inline(__always) static func storeWeights(
    _ a: Lanes, _ b: Lanes, _ c: Lanes, _ d: Lanes, dither: UnsafePointer<Int32>, to p: UnsafeMutablePointer<Int32>
  ) -> IntegerLanes {
    let (low, high) = (weightWords(a, c, dither), weightWords(b, d, dither + 16))
    let bytes = IntegerLanes(_mm512_mask_mov_epi8(high, 0x5555_5555_5555_5555, _mm512_srli_epi16(low, 8)))
    bytes.store(p)
    return Int8Product.adding(IntegerLanes(), Int8Product.repeating(1), bytes)
  }

  /// 16 weights, four neighbours in a quad.
  @inline(__always) static func storeWeights(_ a: Lanes, dither: UnsafePointer<Int32>, to p: UnsafeMutablePointer<Int32>) -> IntegerLanes {
    let words = _mm512_and_si512(_mm512_srli_epi16(weightWords(a, a, dither), 8), _mm512_set1_epi32(0xFF))
    IntegerLanes(words).storeLowBytes(UnsafeMutableRawPointer(p).assumingMemoryBound(to: Int8.self))
    return IntegerLanes(words)
  }

  /// 256 · 255 · 2^(−y / 4096) of the low words of a, and those of b above them, by a parabola in the fraction of y / 4096; plus `dither`.
  @inline(__always) private static func weightWords(_ a: Lanes, _ b: Lanes, _ dither: UnsafePointer<Int32>) -> __m512i {
    let y = _mm512_mask_mov_epi16(_mm512_castps_si512(a.v), 0xAAAA_AAAA, _mm512_slli_epi32(_mm512_castps_si512(b.v), 16))
    let fraction = _mm512_slli_epi16(y, 4)
    var h = _mm512_sub_epi16(_mm512_set1_epi16(weightSlope), _mm512_mulhi_epu16(fraction, _mm512_set1_epi16(weightCurve)))
    h = _mm512_sub_epi16(_mm512_set1_epi16(weightOne), _mm512_mulhi_epu16(fraction, h))
    return _mm512_add_epi16(_mm512_srlv_epi16(h, _mm512_srli_epi16(y, 12)), _mm512_loadu_si512(dither))
  }
}

/// int8 in quads on `vpdpbusd`, whose second operand is unsigned: x is biased by `quadOffset`; the caller subtracts quadOffset · Σw.
enum Int8Product: QuadProduct {
  @inline(__always)
  static func adding(_ sum: IntegerLanes, _ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes {
    IntegerLanes(_mm512_dpbusd_epi32(sum.v, x.v, w.v))
  }
}

/// Columns 0 … 3 of 16 rows at `p`, rows `stride` bytes apart: lane i is row i.
@inline(__always)
func transposed(_ p: UnsafeRawPointer, _ stride: Int) -> (Lanes, Lanes, Lanes, Lanes) {
  let (r0, r1) = (fovea_load_4x4_512(p, stride), fovea_load_4x4_512(p + stride, stride))
  let (r2, r3) = (fovea_load_4x4_512(p + 2 * stride, stride), fovea_load_4x4_512(p + 3 * stride, stride))
  let (a, b) = (_mm512_unpacklo_ps(r0, r1), _mm512_unpackhi_ps(r0, r1))
  let (c, d) = (_mm512_unpacklo_ps(r2, r3), _mm512_unpackhi_ps(r2, r3))
  return (
    Lanes(fovea_low_pairs_512(a, c)), Lanes(fovea_high_pairs_512(a, c)), Lanes(fovea_low_pairs_512(b, d)),
    Lanes(fovea_high_pairs_512(b, d))
  )
}

extension Lanes {
  /// The f16 in the low 16 bits of each lane, widened.
  @inline(__always) var lowHalves: Lanes { Lanes(fovea_low_halves_512(v)) }
  /// The f16 in the high 16 bits of each lane, widened.
  @inline(__always) var highHalves: Lanes { Lanes(fovea_high_halves_512(v)) }
  /// The int8 of each lane that has `bits` bits above it, widened.
  @inline(__always) func bytes(above bits: UInt32) -> Lanes {
    Lanes(_mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(_mm512_castps_si512(v), bits), 24)))
  }
}

#endif
