/* SPDX-License-Identifier: Apache-2.0 */
/* Argument records of the larger kernels: plain C structs, so that every kernel module sees one layout. */
#ifndef FOVEA_KERNEL_ARGUMENTS_H
#define FOVEA_KERNEL_ARGUMENTS_H
#include <stddef.h>
#include <stdint.h>
#include "KernelLimits.h"

/// y = x·Wᵀ (+ bias), W in a packed layout of 16 output rows a block (see Sources/WeightFile/FORMAT.md).
/// A call computes blocks × tokens of it; the caller splits the rest over threads.
/// The offsets of `linearSmallGroups` include `smallGroupSumBits`.
typedef struct {
  const uint8_t *weights;  ///< block 0, 64-byte aligned
  size_t blockStride;      ///< bytes from one 16-row block to the next, a multiple of 64
  size_t payloadOffset;    ///< bytes from a block's start to its payload (its scales stand before it), a multiple of 64; 0 for float layouts
  int64_t inputs;          ///< float layouts: inputs; quantised layouts: inputs padded to a multiple of `group`
  int64_t group;           ///< inputs that share one scale, a multiple of 32; unused by float layouts
  int32_t bits;            ///< of a weight: 4, 5 or 6 of `linearSmallGroups`, unused by the others
  int32_t prefetches;      ///< nonzero: kernels of few tokens prefetch the weights, which come from memory and not from a cache
  int64_t outputs;         ///< real output rows; the last block may be partly padding
  const int8_t *x;         ///< quantised activations [tokens, inputs], padded with zeros
  const float *xScales;    ///< [tokens, inputs / group]
  const int32_t *xOffsets; ///< [tokens, inputs / group]: −zero point · sum of a group's int8 values; weights are stored with the zero point added
  const float *xFloat;     ///< float layouts: activations
  size_t xStride;          ///< elements from one token to the next (x or xFloat)
  float *y;                ///< [tokens, outputs]
  size_t yStride;          ///< floats from one token to the next
  const float *bias;       ///< [outputs] or NULL
} LinearArguments;

/// Number format of keys and values.
#define FOVEA_ROWS_F32 0
#define FOVEA_ROWS_F16 1
#define FOVEA_ROWS_INT8 2 ///< with a quantisation scale for each token and head; zeros up to a multiple of 16 values

/// Arithmetic of attention: f32, or integers scaled by each row's largest value.
#define FOVEA_ATTENTION_F32 0
#define FOVEA_ATTENTION_INT8 1  ///< 8 bits of queries, keys, values and weights; not with FOVEA_ROWS_INT8
#define FOVEA_ATTENTION_INT12 2 ///< 12 bits of queries, keys and values, 14 bits of weights; not with FOVEA_ROWS_INT8

/// softmax(scale · q·kᵀ) · v for many heads, never building the whole score matrix.
typedef struct {
  int32_t arithmetic; ///< FOVEA_ATTENTION_…
  const float *query; ///< token i, head h at query + i·queryStride + h·headSize
  size_t queryStride;
  const void *key, *value; ///< token j, kv head g at base + j·tokenStride + g·headStride, in elements
  size_t tokenStride, headStride;
  int32_t rows;                       ///< FOVEA_ROWS_…
  const float *keyScale, *valueScale; ///< int8: token j of kv head g is its integers times the scale at + g·scaleStride + j
  size_t scaleStride;
  int64_t heads, kvHeads, headSize; ///< headSize up to `largestHeadSize`
  int64_t queries, keys;
  int64_t causalStart; ///< query i sees keys 0 … causalStart + i; negative: every query sees every key
  float scale;         ///< usually 1/√headSize
  float *output;       ///< token i, head h at output + i·outputStride + h·headSize
  size_t outputStride;
  /// Decomposed relative position bias, for keys on a grid `gridWidth` wide: key j's score with query i gets rowBias[j / gridWidth] + columnBias[j %
  /// gridWidth], taken at
  /// + i·biasStride + h·biasHeadStride. NULL: none. Not with int8.
  const float *rowBias, *columnBias;
  size_t biasStride, biasHeadStride;
  int64_t gridWidth;
} AttentionArguments;

#endif
