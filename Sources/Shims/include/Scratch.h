/* SPDX-License-Identifier: Apache-2.0 */
/* Stack memory whose size is known only at run time: Swift has no alloca, and its temporary allocations of more than 1 KiB are malloc. */
#ifndef FOVEA_SHIMS_SCRATCH_H
#define FOVEA_SHIMS_SCRATCH_H
#include <stddef.h>
#include <stdint.h>

/// Calls `body(context, a, b, c, scratch)`, `scratch` being `bytes` of uninitialised stack memory aligned to 64.
static inline void fovea_with_stack(size_t bytes, void (*body)(const void *context, ptrdiff_t a, ptrdiff_t b, ptrdiff_t c, void *scratch),
                                    const void *context, ptrdiff_t a, ptrdiff_t b, ptrdiff_t c) {
  uint8_t *memory = (uint8_t *)__builtin_alloca(bytes + 63);
  body(context, a, b, c, (void *)(((uintptr_t)memory + 63) & ~(uintptr_t)63));
}
#endif
