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

#define FOVEA_AVX2 static inline __attribute__((always_inline, target("avx2,fma,f16c")))
#define FOVEA_AVX512 static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))

/// Asks for the cache line at `p` in the first-level cache; never faults.
static inline __attribute__((always_inline)) void fovea_prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

/// The same in the second-level cache, for lines that are wanted later than the first level would keep them.
static inline __attribute__((always_inline)) void fovea_prefetch_second(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }

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
/// What 8 bytes stand for, see `fovea_small_scale_bits`.
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

/// `p`, but not known to be so: what is read there is read again.
static inline __attribute__((always_inline)) const void *fovea_same_address(const void *p) {
  __asm__("" : "+r"(p));
  return p;
}

/* The products of AVX-VNNI. Where AVX-512's are enabled it is those, the same in another encoding: tools/check-avxvnni tests the kernels so. */
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
/// What 16 bytes stand for, see `fovea_small_scale_bits`: the sign's bit is carried up by its own shift.
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
