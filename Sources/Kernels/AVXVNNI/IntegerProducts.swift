// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// int8 in quads on `vpdpbusd`, whose second operand is unsigned: x is biased by `quadOffset`; the caller subtracts quadOffset · Σw.
enum Int8Product: QuadProduct {
  @inline(__always)
  static func adding(_ sum: IntegerLanes, _ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes {
    IntegerLanes(fovea_dpbusd_256(sum.a, x.a, w.a), fovea_dpbusd_256(sum.b, x.b, w.b))
  }
}

/// Products in `vpdpwssd`, by pairs of int16.
extension IntegerLanes {
  /// Each lane plus the products of its two int16 with those of `x`.
  @inline(__always) func addingPairs(_ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes {
    IntegerLanes(fovea_dpwssd_256(a, w.a, x.a), fovea_dpwssd_256(b, w.b, x.b))
  }
  /// Each lane plus the products of its four bytes (0 … 127) in `w` with the four int8 at `x`.
  @inline(__always) func addingBytes(_ w: IntegerLanes, _ x: UnsafeRawPointer) -> IntegerLanes {
    let x = _mm256_set1_epi32(x.assumingMemoryBound(to: Int32.self).pointee)
    return IntegerLanes(fovea_dpbusd_256(a, w.a, x), fovea_dpbusd_256(b, w.b, x))
  }
  @inline(__always) static var quadOffset: Int32 { 128 }
  /// Bias subtracted from stored attention weights.
  @inline(__always) static var weightOffset: Int32 { 0 }

  /// The low bytes of four keys' values in one quad.
  @inline(__always) static func storeBytes(
    _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, to p: UnsafeMutablePointer<Int32>, step: Int
  ) {
    a.withSecondByte(b).paired(c.withSecondByte(d)).store(p)
  }

  /// Bits 0 … 7 of self, bits 0 … 7 of `next` above them; more of `next` above those.
  @inline(__always) private func withSecondByte(_ next: IntegerLanes) -> IntegerLanes {
    let mask = _mm256_set1_epi32(0xFF)
    return IntegerLanes(
      _mm256_or_si256(_mm256_and_si256(a, mask), _mm256_slli_epi32(next.a, 8)),
      _mm256_or_si256(_mm256_and_si256(b, mask), _mm256_slli_epi32(next.b, 8)))
  }

  /// 64 weights to quads: lane i's of a, b, c and d together.
  /// - Returns: their sums, lane by lane.
  @inline(__always) static func storeWeights(
    _ a: Lanes, _ b: Lanes, _ c: Lanes, _ d: Lanes, dither: UnsafePointer<Int32>, to p: UnsafeMutablePointer<Int32>
  ) -> IntegerLanes {
    let (low, high) = (weightWords(a, c, dither), weightWords(b, d, dither + 16))
    let mask = _mm256_set1_epi32(Int32(bitPattern: 0xFF00_FF00))
    let bytes = IntegerLanes(
      _mm256_or_si256(_mm256_srli_epi16(low.a, 8), _mm256_and_si256(high.a, mask)),
      _mm256_or_si256(_mm256_srli_epi16(low.b, 8), _mm256_and_si256(high.b, mask)))
    bytes.store(p)
    return Int8Product.adding(IntegerLanes(), Int8Product.repeating(1), bytes)
  }

  /// 16 weights, four neighbours in a quad.
  @inline(__always) static func storeWeights(_ a: Lanes, dither: UnsafePointer<Int32>, to p: UnsafeMutablePointer<Int32>) -> IntegerLanes {
    let (words, mask) = (weightWords(a, a, dither), _mm256_set1_epi32(0xFF))
    let weights = IntegerLanes(
      _mm256_and_si256(_mm256_srli_epi32(words.a, 8), mask), _mm256_and_si256(_mm256_srli_epi32(words.b, 8), mask))
    weights.storeLowBytes(UnsafeMutableRawPointer(p).assumingMemoryBound(to: Int8.self))
    return weights
  }

  /// 256 · 255 · 2^(−y / 4096) of the low words of a, and those of b above them, by a parabola in the fraction of y / 4096; plus `dither`.
  @inline(__always) private static func weightWords(_ a: Lanes, _ b: Lanes, _ dither: UnsafePointer<Int32>) -> IntegerLanes {
    let dither = IntegerLanes(dither)
    return IntegerLanes(
      weightWords(_mm256_castps_si256(a.a), _mm256_castps_si256(b.a), dither.a),
      weightWords(_mm256_castps_si256(a.b), _mm256_castps_si256(b.b), dither.b))
  }

  @inline(__always) private static func weightWords(_ a: __m256i, _ b: __m256i, _ dither: __m256i) -> __m256i {
    let y = fovea_even_and_odd_words_256(a, _mm256_slli_epi32(b, 16))
    let fraction = _mm256_slli_epi16(y, 4)
    var h = _mm256_sub_epi16(_mm256_set1_epi16(weightSlope), _mm256_mulhi_epu16(fraction, _mm256_set1_epi16(weightCurve)))
    h = _mm256_sub_epi16(_mm256_set1_epi16(weightOne), _mm256_mulhi_epu16(fraction, h))
    // Only int32 can be shifted each by its own count: first the even words with zeros above them, then the odd ones.
    let (mask, shifts) = (_mm256_set1_epi32(0xFFFF), _mm256_srli_epi16(y, 12))
    let even = _mm256_srlv_epi32(_mm256_and_si256(h, mask), _mm256_and_si256(shifts, mask))
    let odd = _mm256_srlv_epi32(h, _mm256_srli_epi32(shifts, 16))
    return _mm256_add_epi16(fovea_even_and_odd_words_256(even, odd), dither)
  }
}
#endif
