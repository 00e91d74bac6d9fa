/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernels, the weight file and the converter must agree on for weights in groups of 32 inputs with a byte for a scale. */
#ifndef FOVEA_SMALL_GROUPS_H
#define FOVEA_SMALL_GROUPS_H
#include <stdint.h>

/// Inputs that share a scale.
enum { smallGroup = 32 };

/// What a stored value of 4 bits stands for: closer together in the middle, where most weights are, and longer on the negative side, so that a scale's
/// sign decides which side of a group gets the room. Lloyd's iteration on groups of 32 of normal variates and of a real decoder, each group
/// scaled for its least squared error. Seven bits with `smallGroupZero4` added: two products of them with int8 fit in int16.
static inline const int8_t *_Nonnull fovea_values4(void) {
  static const int8_t values[16] = {-64, -51, -40, -32, -24, -17, -11, -5, 1, 6, 12, 18, 25, 33, 42, 55};
  return values;
}
/// The same with `smallGroupZero4` added, as the kernels look them up.
static inline const uint8_t *_Nonnull fovea_biased_values4(void) {
  static const uint8_t values[16] = {0, 13, 24, 32, 40, 47, 53, 59, 65, 70, 76, 82, 89, 97, 106, 119};
  return values;
}

/// What is added to weights of 4, 5 and 6 bits before they are multiplied.
enum { smallGroupZero4 = 64, smallGroupZero5 = 16, smallGroupZero6 = 32 };

/// The bits of the float that a scale's byte stands for: a sign, 3 bits of exponent, 4 bits of fraction; magnitudes 2⁻⁷ … 31/16.
static inline uint32_t fovea_small_scale_bits(uint8_t byte) { return (uint32_t)(byte & 0x80) << 24 | ((uint32_t)(byte & 0x7F) << 19) + (120u << 23); }

#endif
