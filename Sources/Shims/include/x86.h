/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64 intrinsics that are macros (immediate operands, some VNNI forms) wrapped so that Swift can import them. */
#ifndef FOVEA_SHIMS_X86_H
#define FOVEA_SHIMS_X86_H
#include <immintrin.h>
#endif
