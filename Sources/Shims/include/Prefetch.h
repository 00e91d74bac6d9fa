/* SPDX-License-Identifier: Apache-2.0 */
/* Prefetches of cache lines, on any processor. */
#ifndef FOVEA_SHIMS_PREFETCH_H
#define FOVEA_SHIMS_PREFETCH_H

/// Reads the cache line at `p`, whatever it holds: a prefetch that the processor cannot drop. The line must exist.
static inline __attribute__((always_inline)) void touch_line(const void *_Nonnull p) { (void)*(const volatile unsigned char *)p; }

/// Prefetches the cache line at `p` for writing, so that a later store does not wait for it. Never faults; CPUs before Broadwell ignore it.
static inline __attribute__((always_inline)) void fovea_prefetch_write(const void *_Nonnull p) {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
  __builtin_prefetch(p, 1, 3);
#endif
}

#endif
