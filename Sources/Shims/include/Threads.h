/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime needs of the operating system and cannot reach from Swift: atomics on plain memory, futex, CPU affinity,
   the monotonic clock, memory of the process. */
#ifndef FOVEA_SHIMS_THREADS_H
#define FOVEA_SHIMS_THREADS_H
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Atomics, sequentially consistent. */
static inline uint32_t atomic_load32(const uint32_t *_Nonnull p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void atomic_store32(uint32_t *_Nonnull p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline uint32_t atomic_add32(uint32_t *_Nonnull p, uint32_t v) { return __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST); }
static inline uint64_t atomic_load64(const uint64_t *_Nonnull p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void atomic_store64(uint64_t *_Nonnull p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
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

/// Reads the cache line at `p`, whatever it holds: a prefetch that the processor cannot drop. The line must exist.
static inline __attribute__((always_inline)) void touch_line(const void *_Nonnull p) { (void)*(const volatile unsigned char *)p; }

/// Asks for the cache line at `p` to be written, so that a store later does not wait for it. Never faults; CPUs before Broadwell ignore it.
static inline __attribute__((always_inline)) void fovea_prefetch_write(const void *_Nonnull p) {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
  __builtin_prefetch(p, 1, 3);
#endif
}

/// Sleeps while *p == expected, until a wake; may return early.
static inline void futex_wait32(uint32_t *_Nonnull p, uint32_t expected) {
  (void)syscall(SYS_futex, p, 128 /* FUTEX_WAIT | FUTEX_PRIVATE_FLAG */, expected, NULL, NULL, 0);
}
/// Wakes up to `sleepers` sleepers of p.
static inline void futex_wake32(uint32_t *_Nonnull p, int32_t sleepers) {
  (void)syscall(SYS_futex, p, 129 /* FUTEX_WAKE | FUTEX_PRIVATE_FLAG */, sleepers, NULL, NULL, 0);
}

/// CPUs the calling thread may run on, as a bit mask. Returns the bytes of `mask` that were filled, or a negative number.
static inline long affinity_mask(uint8_t *_Nonnull mask, size_t size) { return syscall(SYS_sched_getaffinity, 0, size, mask); }

/// Starts a joinable thread that takes no signals of the host. Returns 0 or an error number.
static inline int thread_start(
    pthread_t *_Nonnull thread, size_t stackSize, void *_Nullable (*_Nonnull body)(void *_Nullable), void *_Nullable argument) {
  pthread_attr_t attributes;
  sigset_t all, old;
  int status = pthread_attr_init(&attributes);
  if (status) return status;
  status = pthread_attr_setstacksize(&attributes, stackSize);
  if (!status) {
    sigfillset(&all);
    status = pthread_sigmask(SIG_SETMASK, &all, &old);
    if (!status) {
      status = pthread_create(thread, &attributes, body, argument);
      pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
  }
  pthread_attr_destroy(&attributes);
  return status;
}

/// Nanoseconds of the monotonic clock.
static inline uint64_t monotonic_nanoseconds(void) {
  struct timespec t;
  return clock_gettime(CLOCK_MONOTONIC, &t) ? 0 : (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/// Private zeroed memory, page-aligned, or NULL. Pages take room when they are first written. `sparse`: most may never be, so
/// the system is not asked whether it has room for all.
static inline void *_Nullable pages_map(size_t bytes, bool sparse) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (sparse ? MAP_NORESERVE : 0), -1, 0);
  return p == MAP_FAILED ? NULL : p;
}
static inline void pages_unmap(void *_Nonnull p, size_t bytes) { (void)munmap(p, bytes); }
/// Asks for huge pages, or for none; a hint only.
static inline void pages_advise_huge(void *_Nonnull p, size_t bytes, bool wanted) {
#if defined(MADV_HUGEPAGE) && defined(MADV_NOHUGEPAGE)
  (void)madvise(p, bytes, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
}
/// Gives the pages back; they read as zeros afterwards. `p` is page-aligned.
static inline void pages_forget(void *_Nonnull p, size_t bytes) { (void)madvise(p, bytes, MADV_DONTNEED); }
static inline size_t page_size(void) { long n = sysconf(_SC_PAGESIZE); return n > 0 ? (size_t)n : 4096; }

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
