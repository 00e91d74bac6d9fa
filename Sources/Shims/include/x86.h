/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64 intrinsics that are macros (immediate operands, some VNNI forms) wrapped so that Swift can import them, and CPU detection. */
#ifndef FOVEA_SHIMS_X86_H
#define FOVEA_SHIMS_X86_H
#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>

/// CPUID leaf `leaf`, subleaf `subleaf` into `registers` (eax, ebx, ecx, edx); zeros where the CPU lacks the leaf.
static inline void fovea_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]) {
  registers[0] = registers[1] = registers[2] = registers[3] = 0;
  __get_cpuid_count(leaf, subleaf, &registers[0], &registers[1], &registers[2], &registers[3]);
}

/// Extended control register 0: which register files the operating system saves. Needs OSXSAVE (CPUID leaf 1, ecx bit 27).
static inline uint64_t fovea_xgetbv(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
#endif
