/* SPDX-License-Identifier: Apache-2.0 */
/* What one core can do at most, measured by loops that do nothing else. Only for the benchmark. */
#ifndef FOVEA_PEAKS_H
#define FOVEA_PEAKS_H
#include <stddef.h>
#include <stdint.h>

/// Operations (two a product) done by `iterations` of a register-only loop of each instruction; 0 where the build has no such instruction.
double peak_vpdpbusd_512(long iterations);
double peak_vpdpbusd_256(long iterations);
double peak_vpmaddubsw_256(long iterations);
double peak_fma_512(long iterations);
double peak_fma_256(long iterations);
/// Reads `bytes` (a multiple of 1024) at `p`, 64-byte aligned, in order; returns something that depends on all of it.
uint64_t read_all_512(const void *p, size_t bytes);
uint64_t read_all_128(const void *p, size_t bytes);
/// CPU seconds of the calling thread.
double thread_seconds(void);
#endif
