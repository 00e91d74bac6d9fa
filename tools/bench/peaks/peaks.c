/* SPDX-License-Identifier: Apache-2.0 */
#include "peaks.h"
#include <time.h>

double thread_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
#include <immintrin.h>
#define KEEP(x) __asm__ volatile("" : "+v"(x))
#define KEEP_YMM(x) __asm__ volatile("" : "+x"(x))

__attribute__((target("avx512f,avx512vnni"))) double peak_vpdpbusd_512(long iterations) {
  __m512i s[12], w = _mm512_set1_epi8(3), x = _mm512_set1_epi8(1);
  for (int i = 0; i < 12; i++) s[i] = _mm512_setzero_si512();
  for (long n = 0; n < iterations; n++) {
    KEEP(w);
#pragma clang loop unroll(full)
    for (int i = 0; i < 12; i++) s[i] = _mm512_dpbusd_epi32(s[i], w, x);
  }
  for (int i = 0; i < 12; i++) KEEP(s[i]);
  return 12.0 * 64 * 2 * (double)iterations;
}

/* As tools/check-avxvnni builds the kernels: AVX-512's encoding. */
#if defined(AVXVNNI_AS_AVX512)
__attribute__((target("avx512vl,avx512vnni"))) double peak_vpdpbusd_256(long iterations) {
#define DPBUSD _mm256_dpbusd_epi32
#else
__attribute__((target("avxvnni"))) double peak_vpdpbusd_256(long iterations) {
#define DPBUSD _mm256_dpbusd_avx_epi32
#endif
  __m256i s[12], w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(1);
  for (int i = 0; i < 12; i++) s[i] = _mm256_setzero_si256();
  for (long n = 0; n < iterations; n++) {
    KEEP_YMM(w);
#pragma clang loop unroll(full)
    for (int i = 0; i < 12; i++) s[i] = DPBUSD(s[i], w, x);
  }
  for (int i = 0; i < 12; i++) KEEP_YMM(s[i]);
  return 12.0 * 32 * 2 * (double)iterations;
}

/* vpmaddubsw + vpmaddwd + vpaddd: what int8 products cost without VNNI. */
__attribute__((target("avx2"))) double peak_vpmaddubsw_256(long iterations) {
  __m256i s[8], w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  for (int i = 0; i < 8; i++) s[i] = _mm256_setzero_si256();
  for (long n = 0; n < iterations; n++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
      KEEP_YMM(w);
      s[i] = _mm256_add_epi32(s[i], _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), ones));
    }
  }
  for (int i = 0; i < 8; i++) KEEP_YMM(s[i]);
  return 8.0 * 32 * 2 * (double)iterations;
}

__attribute__((target("avx512f"))) double peak_fma_512(long iterations) {
  __m512 s[12], w = _mm512_set1_ps(0.5f), x = _mm512_set1_ps(1e-3f);
  for (int i = 0; i < 12; i++) s[i] = _mm512_setzero_ps();
  for (long n = 0; n < iterations; n++) {
    KEEP(w);
#pragma clang loop unroll(full)
    for (int i = 0; i < 12; i++) s[i] = _mm512_fmadd_ps(w, x, s[i]);
  }
  for (int i = 0; i < 12; i++) KEEP(s[i]);
  return 12.0 * 16 * 2 * (double)iterations;
}

__attribute__((target("avx2,fma"))) double peak_fma_256(long iterations) {
  __m256 s[12], w = _mm256_set1_ps(0.5f), x = _mm256_set1_ps(1e-3f);
  for (int i = 0; i < 12; i++) s[i] = _mm256_setzero_ps();
  for (long n = 0; n < iterations; n++) {
    KEEP_YMM(w);
#pragma clang loop unroll(full)
    for (int i = 0; i < 12; i++) s[i] = _mm256_fmadd_ps(w, x, s[i]);
  }
  for (int i = 0; i < 12; i++) KEEP_YMM(s[i]);
  return 12.0 * 8 * 2 * (double)iterations;
}

__attribute__((target("avx512f"))) uint64_t read_all_512(const void *p, size_t bytes) {
  const __m512i *v = p;
  __m512i s[4];
  for (int i = 0; i < 4; i++) s[i] = _mm512_setzero_si512();
  for (size_t n = 0; n < bytes / 64; n += 16) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i++) {
      _mm_prefetch((const char *)(v + n + i) + 4096, _MM_HINT_T0);
      s[i & 3] = _mm512_xor_si512(s[i & 3], v[n + i]);
    }
  }
  return (uint64_t)_mm512_reduce_or_epi64(_mm512_or_si512(_mm512_or_si512(s[0], s[1]), _mm512_or_si512(s[2], s[3])));
}
#else
double peak_vpdpbusd_512(long n) { return 0 * (double)n; }
double peak_vpdpbusd_256(long n) { return 0 * (double)n; }
double peak_vpmaddubsw_256(long n) { return 0 * (double)n; }
double peak_fma_512(long n) { return 0 * (double)n; }
double peak_fma_256(long n) { return 0 * (double)n; }
uint64_t read_all_512(const void *p, size_t bytes) { return read_all_128(p, bytes); }
#endif

uint64_t read_all_128(const void *p, size_t bytes) {
  const uint64_t *v = p;
  uint64_t a = 0, b = 0, c = 0, d = 0;
  for (size_t n = 0; n < bytes / 8; n += 4) {
    a |= v[n];
    b |= v[n + 1];
    c |= v[n + 2];
    d |= v[n + 3];
  }
  return a | b | c | d;
}
