/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernels, the weight file and the converter must agree on for weights in groups of 32 inputs with one byte of scale each. */
#ifndef FOVEA_SMALL_GROUPS_H
#define FOVEA_SMALL_GROUPS_H
#include <stdint.h>

/// Inputs that share a scale.
enum { smallGroup = 32 };

/// Codebook of the 4-bit format: levels are closer together near zero, where most weights are, and reach further on the negative side, so that a
/// scale's sign chooses the side of a group with the wider range. By Lloyd's algorithm on groups of 32 of normal variates and of a real decoder,
/// each group scaled for its least squared error. Seven bits with `smallGroupZero4` added: two products of them with int8 fit in int16.
static inline const int8_t *_Nonnull fovea_codebook4(void) {
  static const int8_t values[16] = {-64, -51, -40, -32, -24, -17, -11, -5, 1, 6, 12, 18, 25, 33, 42, 55};
  return values;
}
/// The same with `smallGroupZero4` added, as the kernels look them up.
static inline const uint8_t *_Nonnull fovea_biased_codebook4(void) {
  static const uint8_t values[16] = {0, 13, 24, 32, 40, 47, 53, 59, 65, 70, 76, 82, 89, 97, 106, 119};
  return values;
}

/// Zero points of the formats with 4, 5 and 6 bits, added to weights before the product.
enum { smallGroupZero4 = 64, smallGroupZero5 = 16, smallGroupZero6 = 32 };

/// Bits of 1.5 · 2²³, which `xOffsets` include: the bits of a group's sum, whose magnitude is below 2¹⁹, are then the f32 1.5 · 2²³ + sum, and one
/// fused multiply-add by a scale of five significant bits makes sum · scale of it, exactly.
enum { smallGroupSumBits = 0x4B400000 };

/// Bits of the f32 that a scale's byte encodes: a sign, 3 bits of exponent, 4 bits of fraction; magnitudes 2⁻⁷ … 31/16.
static inline uint32_t fovea_small_scale_bits(uint8_t byte) { return (uint32_t)(byte & 0x80) << 24 | ((uint32_t)(byte & 0x7F) << 19) + (120u << 23); }

#endif
