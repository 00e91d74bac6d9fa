// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// Sixteen products of int8 take two instructions in any case, so 8-bit integers are stored as pairs of int16, too.
typealias Int8Product = Pairs

/// Products in `vpmaddwd`, by pairs of int16.
extension IntegerLanes {
  /// Each lane plus the products of its two int16 with those of `x`.
  @inline(__always) func addingPairs(_ w: IntegerLanes, _ x: IntegerLanes) -> IntegerLanes {
    IntegerLanes(_mm256_add_epi32(a, _mm256_madd_epi16(w.a, x.a)), _mm256_add_epi32(b, _mm256_madd_epi16(w.b, x.b)))
  }
  /// Each lane plus the products of its four bytes (0 … 127) in `w` with the four int8 at `x`; two of them fit in int16.
  @inline(__always) func addingBytes(_ w: IntegerLanes, _ x: UnsafeRawPointer) -> IntegerLanes {
    let (x, ones) = (_mm256_set1_epi32(x.assumingMemoryBound(to: Int32.self).pointee), _mm256_set1_epi16(1))
    return IntegerLanes(
      _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(w.a, x), ones)),
      _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_maddubs_epi16(w.b, x), ones)))
  }

  /// 255 · 2^(−y / 4096) of the low words y, by a parabola in the fraction of y / 4096, truncated after adding `dither` / 256.
  @inline(__always) static func weights(_ y: Lanes, _ dither: IntegerLanes) -> IntegerLanes {
    IntegerLanes(weights(_mm256_castps_si256(y.a), dither.a), weights(_mm256_castps_si256(y.b), dither.b))
  }

  @inline(__always) private static func weights(_ y: __m256i, _ dither: __m256i) -> __m256i {
    let y = _mm256_and_si256(y, _mm256_set1_epi32(0xFFFF))
    let fraction = _mm256_slli_epi16(y, 4)
    func word(_ x: Int16) -> __m256i { _mm256_set1_epi32(Int32(UInt16(bitPattern: x))) }
    var h = _mm256_sub_epi16(word(weightSlope), _mm256_mulhi_epu16(fraction, word(weightCurve)))
    h = _mm256_sub_epi16(word(weightOne), _mm256_mulhi_epu16(fraction, h))
    return _mm256_srli_epi32(_mm256_add_epi32(_mm256_srlv_epi32(h, _mm256_srli_epi32(y, 12)), dither), 8)
  }

  @inline(__always) var lowWords: IntegerLanes {
    let mask = _mm256_set1_epi32(0xFFFF)
    return IntegerLanes(_mm256_and_si256(a, mask), _mm256_and_si256(b, mask))
  }
  @inline(__always) var highWords: IntegerLanes { IntegerLanes(_mm256_srli_epi32(a, 16), _mm256_srli_epi32(b, 16)) }
}
#endif
