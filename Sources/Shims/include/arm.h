/* SPDX-License-Identifier: Apache-2.0 */
/* arm64: intrinsics that are macros (loads and stores, immediate operands, lanes) or take types that Swift does not import, wrapped; CPU detection.
   Products of int8 are `sdot` where the target has it (KernelsDotProd, KernelsI8MM), else `smull` and sums of pairs (KernelsNEON); products of
   matrices `usmmla` (KernelsI8MM). */
#ifndef FOVEA_SHIMS_ARM_H
#define FOVEA_SHIMS_ARM_H
#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>

/// Whether this CPU has dot products of four int8 (`sdot`, `udot`: FEAT_DotProd, optional from Armv8.2).
static inline bool fovea_has_dotprod(void) { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; }
/// Whether it has, besides, products of int8 matrices (`usmmla`, `usdot`: FEAT_I8MM, optional from Armv8.2, in every Armv8.6).
static inline bool fovea_has_i8mm(void) { return fovea_has_dotprod() && (getauxval(AT_HWCAP2) >> 13 & 1) != 0; }

#define FOVEA_NEON static inline __attribute__((always_inline))

/// Prefetches the cache line at `p` into the L1 cache; never faults.
FOVEA_NEON void fovea_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }
/// The same into the L2 cache, for lines that are used later than L1 would keep them.
FOVEA_NEON void fovea_prefetch_second(const void *p) { __builtin_prefetch(p, 0, 2); }

/* ---- 4 floats ---- */

FOVEA_NEON float32x4_t fovea_load_4(const void *p) { return vld1q_f32((const float *)p); }
/// The first `count` floats at `p`, then `pad`; any `count`, nothing past it is read.
FOVEA_NEON float32x4_t fovea_load_part_4(const float *p, intptr_t count, float pad) {
  float32x4_t x = vdupq_n_f32(pad);
  if (count >= 4) return vld1q_f32(p);
  if (count > 0) x = vld1q_lane_f32(p, x, 0);
  if (count > 1) x = vld1q_lane_f32(p + 1, x, 1);
  if (count > 2) x = vld1q_lane_f32(p + 2, x, 2);
  return x;
}
FOVEA_NEON void fovea_store_4(float *p, float32x4_t x) { vst1q_f32(p, x); }
FOVEA_NEON void fovea_store_part_4(float *p, float32x4_t x, intptr_t count) {
  if (count >= 4) {
    vst1q_f32(p, x);
    return;
  }
  if (count > 0) vst1q_lane_f32(p, x, 0);
  if (count > 1) vst1q_lane_f32(p + 1, x, 1);
  if (count > 2) vst1q_lane_f32(p + 2, x, 2);
}
FOVEA_NEON float32x4_t fovea_load_half_4(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
/// The first `count` halves at `p`, then zeros.
FOVEA_NEON float32x4_t fovea_load_half_part_4(const uint16_t *p, intptr_t count) {
  uint16x4_t x = vdup_n_u16(0);
  if (count >= 4) return fovea_load_half_4(p);
  if (count > 0) x = vld1_lane_u16(p, x, 0);
  if (count > 1) x = vld1_lane_u16(p + 1, x, 1);
  if (count > 2) x = vld1_lane_u16(p + 2, x, 2);
  return vcvt_f32_f16(vreinterpret_f16_u16(x));
}
FOVEA_NEON void fovea_store_half_part_4(uint16_t *p, float32x4_t x, intptr_t count) {
  uint16x4_t halves = vreinterpret_u16_f16(vcvt_f16_f32(x));
  if (count >= 4) {
    vst1_u16(p, halves);
    return;
  }
  if (count > 0) vst1_lane_u16(p, halves, 0);
  if (count > 1) vst1_lane_u16(p + 1, halves, 1);
  if (count > 2) vst1_lane_u16(p + 2, halves, 2);
}
/// a > b ? a : b and a < b ? a : b per lane: the second one where either is NaN, unlike `vmaxq_f32`.
FOVEA_NEON float32x4_t fovea_max_4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
FOVEA_NEON float32x4_t fovea_min_4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
/// a < b ? x : y per lane.
FOVEA_NEON float32x4_t fovea_select_less_4(float32x4_t a, float32x4_t b, float32x4_t x, float32x4_t y) { return vbslq_f32(vcltq_f32(a, b), x, y); }
/// x, but 0 where a < b.
FOVEA_NEON float32x4_t fovea_zero_where_less_4(float32x4_t x, float32x4_t a, float32x4_t b) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltq_f32(a, b)));
}
/// The bits of `x` plus those of `shifted` times 2²³: `x` times two to the integer in the low bits of `shifted`.
FOVEA_NEON float32x4_t fovea_add_exponents_4(float32x4_t x, float32x4_t shifted) {
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23)));
}
/// Lanes folded 4 → 2 → 1, lane i with lane i + half.
FOVEA_NEON float fovea_sum_4(float32x4_t x) {
  float32x2_t two = vadd_f32(vget_low_f32(x), vget_high_f32(x));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
FOVEA_NEON float fovea_largest_4(float32x4_t x) {
  float32x4_t two = fovea_max_4(x, vextq_f32(x, x, 2));
  float32x4_t one = fovea_max_4(two, vextq_f32(two, two, 1));
  return vgetq_lane_f32(one, 0);
}
/// The f16 in the low or high 16 bits of each lane, widened.
FOVEA_NEON float32x4_t fovea_low_halves_4(float32x4_t x) { return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(vreinterpretq_u32_f32(x)))); }
FOVEA_NEON float32x4_t fovea_high_halves_4(float32x4_t x) { return vcvt_f32_f16(vreinterpret_f16_u16(vshrn_n_u32(vreinterpretq_u32_f32(x), 16))); }
/// Of each 32-bit lane the int8 that has `bits` bits above it.
FOVEA_NEON float32x4_t fovea_bytes_above_4(float32x4_t x, int32_t bits) {
  return vcvtq_f32_s32(vshrq_n_s32(vshlq_s32(vreinterpretq_s32_f32(x), vdupq_n_s32(bits)), 24));
}

/* ---- 16 numbers in four registers ---- */

/// 16 int8 as floats, four to a register.
FOVEA_NEON float32x4x4_t fovea_load_int8_16(const int8_t *p) {
  int8x16_t bytes = vld1q_s8(p);
  int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  float32x4x4_t x = {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)), vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                      vcvtq_f32_s32(vmovl_high_s16(high))}};
  return x;
}
FOVEA_NEON int32x4_t fovea_load_int32_4(const void *p) { return vld1q_s32((const int32_t *)p); }
FOVEA_NEON void fovea_store_int32_4(void *p, int32x4_t x) { vst1q_s32((int32_t *)p, x); }
/// The low words of 8 int32.
FOVEA_NEON int16x8_t fovea_low_words_8(int32x4_t a, int32x4_t b) { return vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b)); }
FOVEA_NEON void fovea_store_words_8(int16_t *p, int16x8_t x) { vst1q_s16(p, x); }
/// The low bytes of 16 int32.
FOVEA_NEON int8x16_t fovea_low_bytes_16(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  return vuzp1q_s8(vreinterpretq_s8_s16(fovea_low_words_8(a, b)), vreinterpretq_s8_s16(fovea_low_words_8(c, d)));
}
FOVEA_NEON void fovea_store_bytes_16(void *p, int8x16_t x) { vst1q_s8((int8_t *)p, x); }
/// Four times 16 bytes to 16 quads: byte i of each in quad i.
FOVEA_NEON void fovea_store_quads_16(void *p, int8x16_t a, int8x16_t b, int8x16_t c, int8x16_t d) {
  int8x16x4_t quads = {{a, b, c, d}};
  vst4q_s8((int8_t *)p, quads);
}
/// The low words of `low`, and above them those of `high`.
FOVEA_NEON int32x4_t fovea_paired_4(int32x4_t low, int32x4_t high) { return vsliq_n_s32(low, high, 16); }
/// Each lane of `sum` plus the products of its two int16 in `w` and `x`.
FOVEA_NEON int32x4_t fovea_add_pairs_4(int32x4_t sum, int32x4_t w, int32x4_t x) {
  int16x8_t a = vreinterpretq_s16_s32(w), b = vreinterpretq_s16_s32(x);
  return vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)));
}

/* ---- Bytes in 32-bit lanes ---- */

FOVEA_NEON int32x4_t fovea_load_bytes_4(const uint8_t *p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }
/// Each byte shifted to the left, or, where `bits` is negative, to the right.
FOVEA_NEON int32x4_t fovea_shift_bytes_4(int32x4_t x, int8_t bits) {
  return vreinterpretq_s32_u8(vshlq_u8(vreinterpretq_u8_s32(x), vdupq_n_s8(bits)));
}
FOVEA_NEON int32x4_t fovea_mask_bytes_4(int32x4_t x, int8_t mask) { return vandq_s32(x, vreinterpretq_s32_s8(vdupq_n_s8(mask))); }
/// Look-up in the 16 bytes of `table`, by the indices in `numbers`.
FOVEA_NEON int32x4_t fovea_look_up_4(int32x4_t table, int32x4_t numbers) {
  return vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(table), vreinterpretq_u8_s32(numbers)));
}
/// 16 scales of one byte each, four to a register, see `fovea_small_scale_bits`.
FOVEA_NEON float32x4x4_t fovea_load_small_scales_16(const uint8_t *p) {
  int8x16_t bytes = vld1q_s8((const int8_t *)p);
  int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  int32x4_t x[4] = {vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)};
  float32x4x4_t y;
  for (int i = 0; i < 4; i++) {
    int32x4_t magnitude = vandq_s32(vshlq_n_s32(x[i], 19), vdupq_n_s32(0x7F << 19));
    int32x4_t sign = vandq_s32(x[i], vdupq_n_s32((int)0x80000000));
    y.val[i] = vreinterpretq_f32_s32(vorrq_s32(sign, vaddq_s32(magnitude, vdupq_n_s32(120 << 23))));
  }
  return y;
}

/* ---- Dot products of four int8 ---- */

/// Each lane of `sum` plus the products of its four int8 in `w` and `x`, of which one is never −128: two products fit in int16.
FOVEA_NEON int32x4_t fovea_add_bytes_4(int32x4_t sum, int8x16_t w, int8x16_t x) {
#if defined(__ARM_FEATURE_DOTPROD)
  return vdotq_s32(sum, w, x);
#else
  return vpadalq_s16(sum, vpaddq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)), vmull_high_s8(w, x)));
#endif
}
FOVEA_NEON int32x4_t fovea_add_quads_4(int32x4_t sum, int32x4_t w, int32x4_t x) {
  return fovea_add_bytes_4(sum, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}

/* ---- Weights of attention ---- */

/// The high 16 bits of products of uint16.
FOVEA_NEON uint16x8_t fovea_multiply_high_8(uint16x8_t a, uint16x8_t b) {
  return vuzp2q_u16(vreinterpretq_u16_u32(vmull_u16(vget_low_u16(a), vget_low_u16(b))), vreinterpretq_u16_u32(vmull_high_u16(a, b)));
}
/// 256 · 255 · 2^(−y / 4096) of 8 y in the low words of `a` and `b`, by a parabola in the fraction of y / 4096; plus `dither`, divided by 256,
/// truncated.
FOVEA_NEON uint8x8_t fovea_weights_8(float32x4_t a, float32x4_t b, uint16x8_t dither, uint16_t one, uint16_t slope, uint16_t curve) {
  uint16x8_t y = vuzp1q_u16(vreinterpretq_u16_f32(a), vreinterpretq_u16_f32(b));
  uint16x8_t fraction = vshlq_n_u16(y, 4);
  uint16x8_t h = vsubq_u16(vdupq_n_u16(slope), fovea_multiply_high_8(fraction, vdupq_n_u16(curve)));
  h = vsubq_u16(vdupq_n_u16(one), fovea_multiply_high_8(fraction, h));
  h = vshlq_u16(h, vnegq_s16(vreinterpretq_s16_u16(vshrq_n_u16(y, 12))));
  return vshrn_n_u16(vaddq_u16(h, dither), 8);
}
/// Dithers of 8 keys: the low or high words of 8 int32 at `p`.
FOVEA_NEON uint16x8_t fovea_dither_low_8(const int32_t *p) {
  return vuzp1q_u16(vreinterpretq_u16_s32(vld1q_s32(p)), vreinterpretq_u16_s32(vld1q_s32(p + 4)));
}
FOVEA_NEON uint16x8_t fovea_dither_high_8(const int32_t *p) {
  return vuzp2q_u16(vreinterpretq_u16_s32(vld1q_s32(p)), vreinterpretq_u16_s32(vld1q_s32(p + 4)));
}
/// 16 uint8 less 128.
FOVEA_NEON int8x16_t fovea_signed_bytes_16(uint8x16_t x) { return vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(128))); }
/// 16 uint16 as int32.
FOVEA_NEON int32x4x4_t fovea_widen_words_16(uint16x8_t low, uint16x8_t high) {
  int32x4x4_t x = {{vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))), vreinterpretq_s32_u32(vmovl_high_u16(low)),
                    vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))), vreinterpretq_s32_u32(vmovl_high_u16(high))}};
  return x;
}

/* ---- Products of quantised weights ---- */

FOVEA_NEON int8x16_t fovea_load_int8x16(const void *p) { return vld1q_s8((const int8_t *)p); }
/// 16 weights stored with zero point 128, as signed int8.
FOVEA_NEON int8x16_t fovea_load_weights_16(const void *p) { return fovea_signed_bytes_16(vld1q_u8((const uint8_t *)p)); }
/// The low and the high nibbles of 16 bytes.
FOVEA_NEON int8x16_t fovea_low_nibbles_16(int8x16_t x) { return vandq_s8(x, vdupq_n_s8(15)); }
FOVEA_NEON int8x16_t fovea_high_nibbles_16(int8x16_t x) { return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(x), 4)); }
/// Each lane of `sum` plus the products of its four int8 in `w` with quad 0, 1, 2 or 3 of `x`.
#if defined(__ARM_FEATURE_DOTPROD)
#define FOVEA_ADD_QUAD(sum, w, x, quad) vdotq_laneq_s32(sum, w, x, quad)
#else
#define FOVEA_ADD_QUAD(sum, w, x, quad) fovea_add_bytes_4(sum, w, vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x), quad)))
#endif
FOVEA_NEON int32x4_t fovea_add_quad0_4(int32x4_t sum, int8x16_t w, int8x16_t x) { return FOVEA_ADD_QUAD(sum, w, x, 0); }
FOVEA_NEON int32x4_t fovea_add_quad1_4(int32x4_t sum, int8x16_t w, int8x16_t x) { return FOVEA_ADD_QUAD(sum, w, x, 1); }
FOVEA_NEON int32x4_t fovea_add_quad2_4(int32x4_t sum, int8x16_t w, int8x16_t x) { return FOVEA_ADD_QUAD(sum, w, x, 2); }
FOVEA_NEON int32x4_t fovea_add_quad3_4(int32x4_t sum, int8x16_t w, int8x16_t x) { return FOVEA_ADD_QUAD(sum, w, x, 3); }
#undef FOVEA_ADD_QUAD

#if defined(__ARM_FEATURE_MATMUL_INT8)
/// The same with unsigned bytes in `w`.
FOVEA_NEON int32x4_t fovea_add_unsigned0_4(int32x4_t sum, int32x4_t w, int8x16_t x) { return vusdotq_laneq_s32(sum, vreinterpretq_u8_s32(w), x, 0); }
FOVEA_NEON int32x4_t fovea_add_unsigned1_4(int32x4_t sum, int32x4_t w, int8x16_t x) { return vusdotq_laneq_s32(sum, vreinterpretq_u8_s32(w), x, 1); }
FOVEA_NEON int32x4_t fovea_add_unsigned2_4(int32x4_t sum, int32x4_t w, int8x16_t x) { return vusdotq_laneq_s32(sum, vreinterpretq_u8_s32(w), x, 2); }
FOVEA_NEON int32x4_t fovea_add_unsigned3_4(int32x4_t sum, int32x4_t w, int8x16_t x) { return vusdotq_laneq_s32(sum, vreinterpretq_u8_s32(w), x, 3); }
/// 8 int8 at `x`, then those at `y`.
FOVEA_NEON int8x16_t fovea_load_two_rows_8(const void *x, const void *y) {
  return vcombine_s8(vld1_s8((const int8_t *)x), vld1_s8((const int8_t *)y));
}
/// Adds the products of rows 0 and 1, or 2 and 3, with the two rows of 8 int8 in `x`. Lane i of `low` holds bytes 0 … 3 of row i, of `high` bytes 4 … 7,
/// unsigned. Result: the first row's with both of x, then the second row's.
FOVEA_NEON int32x4_t fovea_add_rows01_4(int32x4_t sum, int32x4_t low, int32x4_t high, int8x16_t x) {
  return vusmmlaq_s32(sum, vreinterpretq_u8_s32(vzip1q_s32(low, high)), x);
}
FOVEA_NEON int32x4_t fovea_add_rows23_4(int32x4_t sum, int32x4_t low, int32x4_t high, int8x16_t x) {
  return vusmmlaq_s32(sum, vreinterpretq_u8_s32(vzip2q_s32(low, high)), x);
}
#endif
#endif
#endif
