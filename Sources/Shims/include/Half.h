/* SPDX-License-Identifier: Apache-2.0 */
/* IEEE 754 binary16 by bit operations: the same result on every CPU, and no call into a support library. */
#ifndef FOVEA_HALF_H
#define FOVEA_HALF_H
#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

static inline float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

/// Exact. NaNs become quiet and keep their payload, as vcvtph2ps does.
static inline float float_of_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
  if (exponent == 31) return float_of_bits(sign | 0x7F800000u | fraction << 13 | (fraction ? 0x400000u : 0));
  if (exponent) return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
  return float_of_bits(sign | float_bits((float)fraction * 0x1p-24f)); // zero and subnormals
}

/// The nearest, ties to even; beyond ±65 519.99… infinity. NaNs become quiet and keep the top of their payload, as vcvtps2ph does.
static inline uint16_t half_of_float(float x) {
  uint32_t bits = float_bits(x), magnitude = bits & 0x7FFFFFFFu;
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
  if (magnitude >= 0x47800000u) return (uint16_t)(sign | 0x7C00); // 65536 and more; 65520 to 65536 round up to infinity below
  // Below 2^-14: round to a multiple of 2^-24, which is the last place of 0.5 as a float.
  if (magnitude < 0x38800000u) return (uint16_t)(sign | (uint16_t)(float_bits(float_of_bits(magnitude) + 0.5f) - 0x3F000000u));
  return (uint16_t)(sign | (uint16_t)((magnitude - (112u << 23) + 0xFFF + (magnitude >> 13 & 1)) >> 13));
}

#endif
