/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64: intrinsics that are macros (immediate operands) or that no intrinsic names, wrapped so that Swift can import them; CPU detection.
   Each wrapper names the features it needs, so that this header also compiles for a baseline target, which never calls them. */
#ifndef FOVEA_SHIMS_X86_H
#define FOVEA_SHIMS_X86_H
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>

/// CPUID leaf `leaf`, subleaf `subleaf` into `registers` (eax, ebx, ecx, edx); zeros where the CPU lacks the leaf.
static inline void fovea_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]) {
  registers[0] = registers[1] = registers[2] = registers[3] = 0;
  __get_cpuid_count(leaf, subleaf, &registers[0], &registers[1], &registers[2], &registers[3]);
}

/// Extended control register 0: which register files the operating system saves. Needs OSXSAVE (CPUID leaf 1, ecx bit 27).
static inline uint64_t fovea_xgetbv(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

#define FOVEA_SSE41 static inline __attribute__((always_inline, target("sse4.1")))
/// Too long to be inlined.
#define FOVEA_SSE41_CALLED static __attribute__((noinline, unused, target("sse4.1")))
#define FOVEA_AVX2 static inline __attribute__((always_inline, target("avx2,fma,f16c")))
#define FOVEA_AVX512 static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))

/// Prefetches the cache line at `p` into the L1 cache; never faults.
static inline __attribute__((always_inline)) void fovea_prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

/// The same into the L2 cache, for lines that are used later than L1 would keep them.
static inline __attribute__((always_inline)) void fovea_prefetch_second(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }

/* ---- 4 floats, without FMA and F16C: Nehalem to Ivy Bridge, Bulldozer, Atoms before Gracemont ---- */

/// a · b + c in double precision, rounded to odd: rounded to float afterwards, it is rounded once (Boldo and Melquiond 2008).
FOVEA_SSE41 __m128d fovea_add_product_odd_2(__m128d a, __m128d b, __m128d c) {
  __m128d p = _mm_mul_pd(a, b), s = _mm_add_pd(p, c), zero = _mm_setzero_pd(); // p is exact
  __m128d t = _mm_sub_pd(s, p);
  __m128d error = _mm_add_pd(_mm_sub_pd(p, _mm_sub_pd(s, t)), _mm_sub_pd(c, t)); // NaN where s is infinite or NaN
  __m128i inexact = _mm_srli_epi64(_mm_castpd_si128(_mm_or_pd(_mm_cmplt_pd(error, zero), _mm_cmpgt_pd(error, zero))), 63);
  __m128i beyond = _mm_and_si128(inexact, _mm_srli_epi64(_mm_castpd_si128(_mm_xor_pd(s, error)), 63));
  return _mm_castsi128_pd(_mm_or_si128(_mm_sub_epi64(_mm_castpd_si128(s), beyond), inexact));
}
/// a · b + c, rounded once. In double precision the product is exact; rounding the sum twice is wrong only where its first rounding
/// gives the middle of two floats, whose low 28 bits are zero. Not inlined: kernels would be five times as long.
FOVEA_SSE41_CALLED __m128 fovea_add_product_4(__m128 a, __m128 b, __m128 c) {
  __m128d a0 = _mm_cvtps_pd(a), b0 = _mm_cvtps_pd(b), c0 = _mm_cvtps_pd(c);
  __m128d a1 = _mm_cvtps_pd(_mm_movehl_ps(a, a)), b1 = _mm_cvtps_pd(_mm_movehl_ps(b, b)), c1 = _mm_cvtps_pd(_mm_movehl_ps(c, c));
  __m128d low = _mm_add_pd(_mm_mul_pd(a0, b0), c0), high = _mm_add_pd(_mm_mul_pd(a1, b1), c1);
  __m128i words = _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(low), _mm_castpd_ps(high), 0x88));
  __m128i middle = _mm_cmpeq_epi32(_mm_and_si128(words, _mm_set1_epi32(0x0FFFFFFF)), _mm_setzero_si128());
  if (__builtin_expect(_mm_movemask_epi8(middle) != 0, 0)) {
    low = fovea_add_product_odd_2(a0, b0, c0);
    high = fovea_add_product_odd_2(a1, b1, c1);
  }
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}
/// The first `count` floats at `p`, then `pad`; any `count`, nothing past it is read.
FOVEA_SSE41_CALLED __m128 fovea_load_part_4(const float *p, intptr_t count, float pad) {
  __m128 x = _mm_set1_ps(pad);
  if (count >= 4) return _mm_loadu_ps(p);
  if (count > 0) x = _mm_insert_ps(x, _mm_load_ss(p), 0x00);
  if (count > 1) x = _mm_insert_ps(x, _mm_load_ss(p + 1), 0x10);
  if (count > 2) x = _mm_insert_ps(x, _mm_load_ss(p + 2), 0x20);
  return x;
}
FOVEA_SSE41_CALLED void fovea_store_part_4(float *p, __m128 x, intptr_t count) {
  if (count >= 4) {
    _mm_storeu_ps(p, x);
    return;
  }
  if (count > 0) _mm_store_ss(p, x);
  if (count > 1) _mm_store_ss(p + 1, _mm_shuffle_ps(x, x, 1));
  if (count > 2) _mm_store_ss(p + 2, _mm_movehl_ps(x, x));
}
/// f16 in 32-bit lanes, widened as `float_of_half` does it.
FOVEA_SSE41_CALLED __m128 fovea_widen_halves_4(__m128i x) {
  __m128i sign = _mm_slli_epi32(_mm_and_si128(x, _mm_set1_epi32(0x8000)), 16), magnitude = _mm_and_si128(x, _mm_set1_epi32(0x7FFF));
  __m128i shifted = _mm_slli_epi32(magnitude, 13);
  __m128i y = _mm_add_epi32(shifted, _mm_set1_epi32(112 << 23));
  __m128 small = _mm_mul_ps(_mm_cvtepi32_ps(magnitude), _mm_set1_ps(0x1p-24f)); // zero and subnormals
  __m128i quiet = _mm_and_si128(_mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7C00)), _mm_set1_epi32(0x400000));
  __m128i special = _mm_or_si128(_mm_or_si128(shifted, _mm_set1_epi32(0x7F800000)), quiet);
  y = _mm_blendv_epi8(y, _mm_castps_si128(small), _mm_cmpgt_epi32(_mm_set1_epi32(0x400), magnitude));
  y = _mm_blendv_epi8(y, special, _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7BFF)));
  return _mm_castsi128_ps(_mm_or_si128(sign, y));
}
/// Floats to f16 in 32-bit lanes as `half_of_float` does it.
FOVEA_SSE41_CALLED __m128i fovea_narrow_to_halves_4(__m128 x) {
  __m128i bits = _mm_castps_si128(x), magnitude = _mm_and_si128(bits, _mm_set1_epi32(0x7FFFFFFF));
  __m128i sign = _mm_and_si128(_mm_srli_epi32(bits, 16), _mm_set1_epi32(0x8000));
  __m128i odd = _mm_and_si128(_mm_srli_epi32(magnitude, 13), _mm_set1_epi32(1));
  __m128i y = _mm_srli_epi32(_mm_add_epi32(_mm_add_epi32(magnitude, _mm_set1_epi32(0xFFF - (112 << 23))), odd), 13);
  __m128i small = _mm_sub_epi32(_mm_castps_si128(_mm_add_ps(_mm_castsi128_ps(magnitude), _mm_set1_ps(0.5f))), _mm_set1_epi32(0x3F000000));
  __m128i payload = _mm_and_si128(_mm_srli_epi32(magnitude, 13), _mm_set1_epi32(0x3FF));
  y = _mm_blendv_epi8(y, small, _mm_cmpgt_epi32(_mm_set1_epi32(0x38800000), magnitude));
  y = _mm_blendv_epi8(y, _mm_set1_epi32(0x7C00), _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x477FFFFF)));
  y = _mm_blendv_epi8(y, _mm_or_si128(payload, _mm_set1_epi32(0x7E00)), _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7F800000)));
  return _mm_or_si128(sign, y);
}
FOVEA_SSE41 __m128 fovea_load_half_4(const uint16_t *p) { return fovea_widen_halves_4(_mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)p))); }
/// The first `count` halves at `p`, then zeros.
FOVEA_SSE41_CALLED __m128 fovea_load_half_part_4(const uint16_t *p, intptr_t count) {
  if (count >= 4) return fovea_load_half_4(p);
  return fovea_widen_halves_4(_mm_setr_epi32(count > 0 ? p[0] : 0, count > 1 ? p[1] : 0, count > 2 ? p[2] : 0, 0));
}
FOVEA_SSE41_CALLED void fovea_store_half_part_4(uint16_t *p, __m128 x, intptr_t count) {
  __m128i halves = fovea_narrow_to_halves_4(x);
  if (count >= 4) {
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi32(halves, halves));
    return;
  }
  if (count > 0) p[0] = (uint16_t)_mm_extract_epi16(halves, 0);
  if (count > 1) p[1] = (uint16_t)_mm_extract_epi16(halves, 2);
  if (count > 2) p[2] = (uint16_t)_mm_extract_epi16(halves, 4);
}
FOVEA_SSE41 __m128 fovea_load_int8_4(const int8_t *p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four)));
}
/// 4 scales of one byte each, see `fovea_small_scale_bits`.
FOVEA_SSE41 __m128 fovea_load_small_scales_4(const uint8_t *p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  __m128i x = _mm_cvtepi8_epi32(_mm_cvtsi32_si128(four));
  __m128i magnitude = _mm_and_si128(_mm_slli_epi32(x, 19), _mm_set1_epi32(0x7F << 19));
  __m128i sign = _mm_and_si128(x, _mm_set1_epi32((int)0x80000000));
  return _mm_castsi128_ps(_mm_or_si128(sign, _mm_add_epi32(magnitude, _mm_set1_epi32(120 << 23))));
}
/// a < b ? x : y per lane.
FOVEA_SSE41 __m128 fovea_select_less_4(__m128 a, __m128 b, __m128 x, __m128 y) { return _mm_blendv_ps(y, x, _mm_cmplt_ps(a, b)); }
/// x, but 0 where a < b.
FOVEA_SSE41 __m128 fovea_zero_where_less_4(__m128 x, __m128 a, __m128 b) { return _mm_and_ps(_mm_cmpnlt_ps(a, b), x); }
/// The bits of `x` plus those of `shifted` times 2²³: `x` times two to the integer in the low bits of `shifted`.
FOVEA_SSE41 __m128 fovea_add_exponents_4(__m128 x, __m128 shifted) {
  return _mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(x), _mm_slli_epi32(_mm_castps_si128(shifted), 23)));
}
/// Lanes folded 4 → 2 → 1, lane i with lane i + half.
FOVEA_SSE41 float fovea_sum_4(__m128 four) {
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
FOVEA_SSE41 float fovea_largest_4(__m128 four) {
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
FOVEA_SSE41 int32_t fovea_sum_epi32_4(__m128i four) {
  __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}
/// The f16 in the low or high 16 bits of each lane, widened.
FOVEA_SSE41 __m128 fovea_low_halves_4(__m128 x) { return fovea_widen_halves_4(_mm_and_si128(_mm_castps_si128(x), _mm_set1_epi32(0xFFFF))); }
FOVEA_SSE41 __m128 fovea_high_halves_4(__m128 x) { return fovea_widen_halves_4(_mm_srli_epi32(_mm_castps_si128(x), 16)); }
/// Of each 32-bit lane the int8 that has `bits` bits above it.
FOVEA_SSE41 __m128 fovea_bytes_above_4(__m128 x, int bits) { return _mm_cvtepi32_ps(_mm_srai_epi32(_mm_slli_epi32(_mm_castps_si128(x), bits), 24)); }
/// The low words and the low bytes of 8 and of 16 int32.
FOVEA_SSE41 void fovea_store_low_words_4x2(int16_t *p, __m128i a, __m128i b) {
  __m128i order = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1);
  _mm_storeu_si128((__m128i *)p, _mm_unpacklo_epi64(_mm_shuffle_epi8(a, order), _mm_shuffle_epi8(b, order)));
}
FOVEA_SSE41 void fovea_store_low_bytes_4x4(int8_t *p, __m128i a, __m128i b, __m128i c, __m128i d) {
  __m128i order = _mm_set1_epi32(0x0C080400);
  __m128i ab = _mm_unpacklo_epi32(_mm_shuffle_epi8(a, order), _mm_shuffle_epi8(b, order));
  __m128i cd = _mm_unpacklo_epi32(_mm_shuffle_epi8(c, order), _mm_shuffle_epi8(d, order));
  _mm_storeu_si128((__m128i *)p, _mm_unpacklo_epi64(ab, cd));
}
/// Words in 32-bit lanes shifted right by 0 … 15, exactly: SSE has one count for all lanes.
FOVEA_SSE41 __m128i fovea_shift_words_right_4(__m128i x, __m128i bits) {
  __m128 factor = _mm_castsi128_ps(_mm_slli_epi32(_mm_sub_epi32(_mm_set1_epi32(127), bits), 23));
  return _mm_cvttps_epi32(_mm_mul_ps(_mm_cvtepi32_ps(x), factor));
}
/// Columns 0 … 3 of 4 rows: the low two floats of `a`, then of `b`; the high ones.
FOVEA_SSE41 __m128 fovea_low_pairs_4(__m128 a, __m128 b) { return _mm_movelh_ps(a, b); }
FOVEA_SSE41 __m128 fovea_high_pairs_4(__m128 a, __m128 b) { return _mm_movehl_ps(b, a); }

/* ---- 8 floats ---- */

/// a < b ? x : y per lane.
FOVEA_AVX2 __m256 fovea_select_less_256(__m256 a, __m256 b, __m256 x, __m256 y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
/// All bits set where not a < b.
FOVEA_AVX2 __m256 fovea_not_less_256(__m256 a, __m256 b) { return _mm256_cmp_ps(a, b, _CMP_NLT_UQ); }
/// Lanes below `count` (0 … 8) set.
FOVEA_AVX2 __m256i fovea_mask_256(int count) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
/// Lanes folded 8 → 4 → 2 → 1, lane i with lane i + half.
FOVEA_AVX2 float fovea_sum_256(__m256 x) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
FOVEA_AVX2 float fovea_max_256(__m256 x) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
FOVEA_AVX2 int32_t fovea_sum_epi32_256(__m256i x) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}
FOVEA_AVX2 __m256 fovea_load_half_8(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
/// 8 int8 as floats.
FOVEA_AVX2 __m256 fovea_load_int8_8(const int8_t *p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p))); }
/// 8 scales of one byte each, see `fovea_small_scale_bits`.
FOVEA_AVX2 __m256 fovea_load_small_scales_8(const uint8_t *p) {
  __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
  __m256i sign = _mm256_slli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0x80)), 24);
  __m256i magnitude = _mm256_slli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0x7F)), 19);
  return _mm256_castsi256_ps(_mm256_or_si256(sign, _mm256_add_epi32(magnitude, _mm256_set1_epi32(120 << 23))));
}
/// 16 bytes in both halves.
FOVEA_AVX2 __m256i fovea_repeat_16_256(const uint8_t *p) { return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p)); }
/// Of each 32-bit lane the int8 that has `bits` bits above it.
FOVEA_AVX2 __m256 fovea_bytes_above_256(__m256 x, int bits) {
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(_mm256_castps_si256(x), bits), 24));
}
FOVEA_AVX2 void fovea_store_half_8(uint16_t *p, __m256 x) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
/// The low bytes of 8 int32 lanes.
FOVEA_AVX2 void fovea_store_low_bytes_8(int8_t *p, __m256i x) {
  __m256i bytes = _mm256_shuffle_epi8(x, _mm256_set1_epi32(0x0C080400));
  __m128i both = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  _mm_storel_epi64((__m128i *)p, both);
}
/// The low words of 8 int32 lanes.
FOVEA_AVX2 void fovea_store_low_words_8(int16_t *p, __m256i x) {
  __m256i words = _mm256_shuffle_epi8(
      x, _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1));
  _mm_storeu_si128((__m128i *)p, _mm_unpacklo_epi64(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
FOVEA_AVX2 __m128i fovea_half_8(__m256 x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// The bits of `x` plus those of `shifted` times 2²³: `x` times two to the integer in the low bits of `shifted`.
FOVEA_AVX2 __m256 fovea_add_exponents_256(__m256 x, __m256 shifted) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
}
/// The high nibble of each byte.
FOVEA_AVX2 __m256i fovea_high_nibbles_256(__m256i x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)); }
/// The even words of `even` and the odd ones of `odd`.
FOVEA_AVX2 __m256i fovea_even_and_odd_words_256(__m256i even, __m256i odd) { return _mm256_blend_epi16(even, odd, 0xAA); }

/// `p`, opaque to the compiler: what is read there is loaded again.
static inline __attribute__((always_inline)) const void *fovea_same_address(const void *p) {
  __asm__("" : "+r"(p));
  return p;
}

/* Dot products of AVX-VNNI; where AVX-512 VNNI is enabled, the same instructions in its encoding: tools/check-avxvnni tests the kernels so. */
#if defined(__AVX512VL__) && defined(__AVX512VNNI__)
#define FOVEA_AVXVNNI static inline __attribute__((always_inline, target("avx512vl,avx512vnni,avx2,fma,f16c")))
/// Each int32 of `sum` plus the products of its four bytes `u`, unsigned, with those of `s`, signed.
FOVEA_AVXVNNI __m256i fovea_dpbusd_256(__m256i sum, __m256i u, __m256i s) { return _mm256_dpbusd_epi32(sum, u, s); }
/// Each int32 of `sum` plus the products of its two int16 `a` with those of `b`.
FOVEA_AVXVNNI __m256i fovea_dpwssd_256(__m256i sum, __m256i a, __m256i b) { return _mm256_dpwssd_epi32(sum, a, b); }
#else
#define FOVEA_AVXVNNI static inline __attribute__((always_inline, target("avxvnni,avx2,fma,f16c")))
FOVEA_AVXVNNI __m256i fovea_dpbusd_256(__m256i sum, __m256i u, __m256i s) { return _mm256_dpbusd_avx_epi32(sum, u, s); }
FOVEA_AVXVNNI __m256i fovea_dpwssd_256(__m256i sum, __m256i a, __m256i b) { return _mm256_dpwssd_avx_epi32(sum, a, b); }
#endif

/* ---- 16 floats ---- */

/// a < b ? x : y per lane.
FOVEA_AVX512 __m512 fovea_select_less_512(__m512 a, __m512 b, __m512 x, __m512 y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
FOVEA_AVX512 __mmask16 fovea_not_less_512(__m512 a, __m512 b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ); }
/// Lanes below `count` (0 … 16) set.
FOVEA_AVX512 __mmask16 fovea_mask_512(int count) { return (__mmask16)((1u << count) - 1); }
/// Lanes folded 16 → 8 → 4 → 2 → 1, lane i with lane i + half.
FOVEA_AVX512 float fovea_sum_512(__m512 x) { return fovea_sum_256(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1))); }
FOVEA_AVX512 float fovea_max_512(__m512 x) { return fovea_max_256(_mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1))); }
FOVEA_AVX512 int32_t fovea_sum_epi32_512(__m512i x) {
  return fovea_sum_epi32_256(_mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1)));
}
FOVEA_AVX512 __m512 fovea_load_half_16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
/// 16 int8 as floats.
FOVEA_AVX512 __m512 fovea_load_int8_16(const int8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p))); }
/// 16 scales of one byte each, see `fovea_small_scale_bits`; sign extension moves the sign bit up.
FOVEA_AVX512 __m512 fovea_load_small_scales_16(const uint8_t *p) {
  __m512i x = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
  __m512i magnitude = _mm512_and_si512(_mm512_slli_epi32(x, 19), _mm512_set1_epi32(0x7F << 19));
  __m512i sign = _mm512_and_si512(x, _mm512_set1_epi32((int)0x80000000));
  return _mm512_castsi512_ps(_mm512_or_si512(sign, _mm512_add_epi32(magnitude, _mm512_set1_epi32(120 << 23))));
}
/// 16 bytes in each quarter.
FOVEA_AVX512 __m512i fovea_repeat_16_512(const uint8_t *p) { return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p)); }
FOVEA_AVX512 __m512 fovea_load_half_16_masked(const uint16_t *p, int count) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(fovea_mask_512(count), p));
}
FOVEA_AVX512 void fovea_store_half_16_masked(uint16_t *p, __m512 x, int count) {
  _mm256_mask_storeu_epi16(p, fovea_mask_512(count), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
/* ---- Parts of a transposition; strides in bytes ---- */

/// Rows 0, 4, 8, 12 of 4 floats each.
FOVEA_AVX512 __m512 fovea_load_4x4_512(const void *base, ptrdiff_t stride) {
  const uint8_t *p = (const uint8_t *)base;
  __m512 x = _mm512_castps128_ps512(_mm_loadu_ps((const float *)p));
  x = _mm512_insertf32x4(x, _mm_loadu_ps((const float *)(p + 4 * stride)), 1);
  x = _mm512_insertf32x4(x, _mm_loadu_ps((const float *)(p + 8 * stride)), 2);
  return _mm512_insertf32x4(x, _mm_loadu_ps((const float *)(p + 12 * stride)), 3);
}
/// In each 128-bit part: the low two floats of `a`, then of `b`; the high ones.
FOVEA_AVX512 __m512 fovea_low_pairs_512(__m512 a, __m512 b) { return _mm512_shuffle_ps(a, b, 0x44); }
FOVEA_AVX512 __m512 fovea_high_pairs_512(__m512 a, __m512 b) { return _mm512_shuffle_ps(a, b, 0xEE); }
/// The f16 in the low or high 16 bits of each lane, widened.
FOVEA_AVX512 __m512 fovea_low_halves_512(__m512 x) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_castps_si512(x))); }
FOVEA_AVX512 __m512 fovea_high_halves_512(__m512 x) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(x), 16))); }

/// Rows 0 and 4 of 4 floats each.
FOVEA_AVX2 __m256 fovea_load_2x4_256(const void *base, ptrdiff_t stride) {
  const uint8_t *p = (const uint8_t *)base;
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps((const float *)p)), _mm_loadu_ps((const float *)(p + 4 * stride)), 1);
}
FOVEA_AVX2 __m256 fovea_low_pairs_256(__m256 a, __m256 b) { return _mm256_shuffle_ps(a, b, 0x44); }
FOVEA_AVX2 __m256 fovea_high_pairs_256(__m256 a, __m256 b) { return _mm256_shuffle_ps(a, b, 0xEE); }
/// The f16 in 16 bits of each lane, widened.
FOVEA_AVX2 __m256 fovea_words_256(__m256i words) {
  return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
FOVEA_AVX2 __m256 fovea_low_halves_256(__m256 x) { return fovea_words_256(_mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0xFFFF))); }
FOVEA_AVX2 __m256 fovea_high_halves_256(__m256 x) { return fovea_words_256(_mm256_srli_epi32(_mm256_castps_si256(x), 16)); }
#endif
#endif
