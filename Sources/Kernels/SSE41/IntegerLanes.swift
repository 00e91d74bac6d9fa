// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// Sixteen products of int8 take two instructions in any case, so 8-bit integers are stored as pairs of int16, too.
typealias Int8Product = Pairs

/// 16 int32 in four registers.
struct IntegerLanes {
  var a, b, c, d: __m128i

  @inline(__always) init(_ a: __m128i, _ b: __m128i, _ c: __m128i, _ d: __m128i) { (self.a, self.b, self.c, self.d) = (a, b, c, d) }
  @inline(__always) init(repeating value: Int32) {
    let x = _mm_set1_epi32(value)
    self.init(x, x, x, x)
  }
  @inline(__always) init() { self.init(repeating: 0) }
  /// 64 bytes.
  @inline(__always) init(_ p: UnsafeRawPointer) {
    let p = p.assumingMemoryBound(to: __m128i.self)
    self.init(_mm_loadu_si128(p), _mm_loadu_si128(p + 1), _mm_loadu_si128(p + 2), _mm_loadu_si128(p + 3))
  }
  /// The bits of `x` less those of `y`.
  @inline(__always) init(bitsOf x: Lanes, minus y: Lanes) { self = IntegerLanes(bitsOf: x) - IntegerLanes(bitsOf: y) }
  @inline(__always) private init(bitsOf x: Lanes) {
    self.init(_mm_castps_si128(x.a), _mm_castps_si128(x.b), _mm_castps_si128(x.c), _mm_castps_si128(x.d))
  }
  /// The four registers one after the other.
  @inline(__always) func map(_ body: (__m128i) -> __m128i) -> IntegerLanes { IntegerLanes(body(a), body(b), body(c), body(d)) }
  @inline(__always) func combined(_ x: IntegerLanes, _ body: (__m128i, __m128i) -> __m128i) -> IntegerLanes {
    IntegerLanes(body(a, x.a), body(b, x.b), body(c, x.c), body(d, x.d))
  }
  @inline(__always) func clamped(to limit: Int32) -> IntegerLanes {
    let (low, high) = (_mm_set1_epi32(-limit), _mm_set1_epi32(limit))
    return map { _mm_min_epi32(_mm_max_epi32($0, low), high) }
  }
  @inline(__always) static func + (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes { x.combined(y) { _mm_add_epi32($0, $1) } }
  @inline(__always) static func - (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes { x.combined(y) { _mm_sub_epi32($0, $1) } }
  @inline(__always) var sum: Int32 { fovea_sum_epi32_4(_mm_add_epi32(_mm_add_epi32(a, b), _mm_add_epi32(c, d))) }
  @inline(__always) var floats: Lanes { Lanes(_mm_cvtepi32_ps(a), _mm_cvtepi32_ps(b), _mm_cvtepi32_ps(c), _mm_cvtepi32_ps(d)) }

  @inline(__always) func store(_ p: UnsafeMutableRawPointer) {
    let p = p.assumingMemoryBound(to: __m128i.self)
    _mm_storeu_si128(p, a)
    _mm_storeu_si128(p + 1, b)
    _mm_storeu_si128(p + 2, c)
    _mm_storeu_si128(p + 3, d)
  }
  @inline(__always) func storeLowBytes(_ p: UnsafeMutablePointer<Int8>) { fovea_store_low_bytes_4x4(p, a, b, c, d) }
  @inline(__always) func storeLowWords(_ p: UnsafeMutablePointer<Int16>) {
    fovea_store_low_words_4x2(p, a, b)
    fovea_store_low_words_4x2(p + 8, c, d)
  }
  /// The low words of self, and above them those of `high`.
  @inline(__always) func paired(_ high: IntegerLanes) -> IntegerLanes {
    let mask = _mm_set1_epi32(0xFFFF)
    return combined(high) { _mm_or_si128(_mm_and_si128($0, mask), _mm_slli_epi32($1, 16)) }
  }
}

/// Products in `pmaddwd`, by pairs of int16.
extension IntegerLanes {
  /// Each lane plus the products of its two int16 with those of `x`.
  @inline(__always) func addingPairs(_ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes {
    self + w.combined(x) { _mm_madd_epi16($0, $1) }
  }
  /// Each lane plus the products of its four bytes (0 … 127) in `w` with the four int8 at `x`; two of them fit in int16.
  @inline(__always) func addingBytes(_ w: IntegerLanes, _ x: UnsafeRawPointer) -> IntegerLanes {
    let (x, ones) = (_mm_set1_epi32(x.assumingMemoryBound(to: Int32.self).pointee), _mm_set1_epi16(1))
    return self + w.map { _mm_madd_epi16(_mm_maddubs_epi16($0, x), ones) }
  }

  /// 255 · 2^(−y / 4096) of the low words y, by a parabola in the fraction of y / 4096, truncated after adding `dither` / 256.
  @inline(__always) static func weights(_ y: Lanes, _ dither: IntegerLanes) -> IntegerLanes {
    IntegerLanes(bitsOf: y).combined(dither) { weights($0, $1) }
  }

  @inline(__always) private static func weights(_ y: __m128i, _ dither: __m128i) -> __m128i {
    let y = _mm_and_si128(y, _mm_set1_epi32(0xFFFF))
    let fraction = _mm_slli_epi16(y, 4)
    @inline(__always) func word(_ x: Int16) -> __m128i { _mm_set1_epi32(Int32(UInt16(bitPattern: x))) }
    var h = _mm_sub_epi16(word(weightSlope), _mm_mulhi_epu16(fraction, word(weightCurve)))
    h = _mm_sub_epi16(word(weightOne), _mm_mulhi_epu16(fraction, h))
    return _mm_srli_epi32(_mm_add_epi32(fovea_shift_words_right_4(h, _mm_srli_epi32(y, 12)), dither), 8)
  }

  @inline(__always) var lowWords: IntegerLanes {
    let mask = _mm_set1_epi32(0xFFFF)
    return map { _mm_and_si128($0, mask) }
  }
  @inline(__always) var highWords: IntegerLanes { map { _mm_srli_epi32($0, 16) } }
}

/// 64 bytes, of which the four of a lane belong to one row.
extension IntegerLanes {
  /// The 16 bytes at `p`, repeated in each quarter.
  @inline(__always) init(repeating16 p: UnsafePointer<UInt8>) {
    let bytes = _mm_loadu_si128(UnsafeRawPointer(p).assumingMemoryBound(to: __m128i.self))
    self.init(bytes, bytes, bytes, bytes)
  }
  /// Shifts words: the caller masks the bits that cross from one byte into its neighbour.
  @inline(__always) func shiftedLeft(_ bits: Int32) -> IntegerLanes { map { _mm_slli_epi16($0, bits) } }
  @inline(__always) func shiftedRight(_ bits: Int32) -> IntegerLanes { map { _mm_srli_epi16($0, bits) } }
  @inline(__always) func masked(_ mask: Int8) -> IntegerLanes {
    let mask = _mm_set1_epi8(mask)
    return map { _mm_and_si128($0, mask) }
  }
  @inline(__always) static func | (x: IntegerLanes, y: IntegerLanes) -> IntegerLanes { x.combined(y) { _mm_or_si128($0, $1) } }
  /// Look-up in the 16 bytes of a `repeating16`, by indices 0 … 15.
  @inline(__always) func lookedUp(_ numbers: IntegerLanes) -> IntegerLanes { combined(numbers) { _mm_shuffle_epi8($0, $1) } }
}
#endif
