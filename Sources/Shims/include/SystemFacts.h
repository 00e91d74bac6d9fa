/* SPDX-License-Identifier: Apache-2.0 */
/* The clock, small system files, memory of the machine and of the process. */
#ifndef FOVEA_SHIMS_SYSTEM_FACTS_H
#define FOVEA_SHIMS_SYSTEM_FACTS_H
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "Pages.h"

/// Nanoseconds of the monotonic clock.
static inline uint64_t monotonic_nanoseconds(void) {
  struct timespec t;
  return clock_gettime(CLOCK_MONOTONIC, &t) ? 0 : (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/// Reads the start of a small system file. Returns the bytes read, 0 when it cannot be read.
static inline size_t read_system_file(const char *_Nonnull path, uint8_t *_Nonnull into, size_t size) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  size_t done = 0;
  if (file < 0) return 0;
  while (done < size) {
    ssize_t n = read(file, into + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += (size_t)n;
  }
  close(file);
  return done;
}

/// Memory of the machine in bytes.
static inline uint64_t physical_memory_bytes(void) {
  long pages = sysconf(_SC_PHYS_PAGES);
  return pages > 0 ? (uint64_t)pages * page_size() : UINT64_MAX;
}

/// Largest resident size this process has had, in bytes.
static inline uint64_t peak_resident_bytes(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss * 1024u;
}

#endif
