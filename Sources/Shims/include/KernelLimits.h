/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the kernels, for every check of a size: Swift sees these as Int. */
#ifndef FOVEA_KERNEL_LIMITS_H
#define FOVEA_KERNEL_LIMITS_H

/// Most values of an attention head. The kernels keep a block of 64 keys and values on the stack: 512 bytes for each value of a head,
/// 128 KiB at 256, half of `attention`'s stack. Sums of products of 12-bit integers fit int32 up to 512.
enum { largestHeadSize = 256 };

/// Most bytes of stack that one kernel or one product takes for its scratch memory. `attention` takes most.
enum { largestStackMemory = 264 << 10 };

#endif
