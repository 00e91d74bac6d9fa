/* SPDX-License-Identifier: Apache-2.0 */
/* Futex, CPU affinity, starting a thread. */
#ifndef FOVEA_SHIMS_THREADS_H
#define FOVEA_SHIMS_THREADS_H
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// Sleeps while *p == expected, until a wake; may return early.
static inline void futex_wait32(uint32_t *_Nonnull p, uint32_t expected) {
  (void)syscall(SYS_futex, p, 128 /* FUTEX_WAIT | FUTEX_PRIVATE_FLAG */, expected, NULL, NULL, 0);
}
/// Wakes up to `sleepers` sleepers of p.
static inline void futex_wake32(uint32_t *_Nonnull p, int32_t sleepers) {
  (void)syscall(SYS_futex, p, 129 /* FUTEX_WAKE | FUTEX_PRIVATE_FLAG */, sleepers, NULL, NULL, 0);
}

/// A condition whose waits end by the monotonic clock.
static inline void condition_init_monotonic(pthread_cond_t *_Nonnull condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

/// Sleeps for about `microseconds`, fewer than 1 000 000.
static inline void pause_microseconds(long microseconds) {
  struct timespec t = {0, microseconds * 1000};
  (void)nanosleep(&t, NULL);
}

/// CPUs the calling thread may run on, as a bit mask. Returns the bytes of `mask` that were filled, or a negative number.
static inline long affinity_mask(uint8_t *_Nonnull mask, size_t size) { return syscall(SYS_sched_getaffinity, 0, size, mask); }

/// Bytes of stack of every thread that computes: `largestStackMemory`, and room for a host's callbacks.
enum { workStack = 2 << 20 };
/// Bytes of stack that a call needs below it; a thread with less has the call made on a thread with `workStack`.
enum { callStack = 512 << 10 };
/// Bytes of stack that the calling thread has left; 0 where it cannot be told, or where its stack is not the thread's own (coroutines).
size_t stack_left(void);

/// Starts a joinable thread that takes no signals of the host. Returns 0 or an error number.
static inline int thread_start(pthread_t *_Nonnull thread, size_t stackSize, void *_Nullable (*_Nonnull body)(void *_Nullable),
                               void *_Nullable argument) {
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

#endif
