/* SPDX-License-Identifier: Apache-2.0 */
/* Atomics on plain memory, and what a spin loop needs. */
#ifndef FOVEA_SHIMS_ATOMICS_H
#define FOVEA_SHIMS_ATOMICS_H
#include <stdbool.h>
#include <stdint.h>

/* Atomics, sequentially consistent. */
static inline uint32_t atomic_load32(const uint32_t *_Nonnull p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void atomic_store32(uint32_t *_Nonnull p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline uint32_t atomic_add32(uint32_t *_Nonnull p, uint32_t v) { return __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST); }
static inline uint64_t atomic_load64(const uint64_t *_Nonnull p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void atomic_store64(uint64_t *_Nonnull p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline bool atomic_exchange32_if(uint32_t *_Nonnull p, uint32_t expected, uint32_t desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline bool atomic_exchange64_if(uint64_t *_Nonnull p, uint64_t expected, uint64_t desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/// Tells the CPU that this is a spin loop.
static inline void spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
