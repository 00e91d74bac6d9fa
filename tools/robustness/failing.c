/* SPDX-License-Identifier: Apache-2.0 */
/* To be preloaded: makes the n-th allocation after `fail_from` fail, or that and every later one: of the heap, of pages, and of a thread. glibc only.
   For a program that does not call it: FAIL_FROM="n all_later bytes" in its environment does so before main, of the heap alone (a program maps its
   reserve as it starts), and the count of allocations goes to the file descriptor of FAIL_COUNT at its end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failing.h"

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static volatile long count, first, last;
static volatile size_t smallest;
static volatile int is_armed, is_of_heap;

void fail_from(long n, int all_later, size_t bytes) {
  count = 0;
  first = n;
  last = all_later ? __LONG_MAX__ : n;
  smallest = bytes;
  __sync_synchronize();
  is_armed = 1;
}

long fail_no_more(void) {
  is_armed = 0;
  return count;
}

static int fails(size_t bytes) {
  long n;
  if (!is_armed || bytes < smallest) return 0;
  n = __sync_add_and_fetch(&count, 1);
  if (n < first || n > last) return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t n) { return fails(n) ? NULL : __libc_malloc(n); }
void *calloc(size_t count, size_t size) { return fails(count * size) ? NULL : __libc_calloc(count, size); }
void *realloc(void *p, size_t n) { return fails(n) ? NULL : __libc_realloc(p, n); }
void *aligned_alloc(size_t alignment, size_t n) { return fails(n) ? NULL : __libc_memalign(alignment, n); }
int posix_memalign(void **p, size_t alignment, size_t n) {
  void *memory = fails(n) ? NULL : __libc_memalign(alignment, n);
  if (!memory) return ENOMEM;
  *p = memory;
  return 0;
}

/* glibc's own maps, of its heap and of threads' stacks, do not come here. */
void *mmap(void *p, size_t n, int protection, int flags, int file, off_t offset) {
  return !is_of_heap && fails(n) ? MAP_FAILED : (void *)syscall(SYS_mmap, p, n, protection, flags, file, offset);
}
void *mmap64(void *p, size_t n, int protection, int flags, int file, off64_t offset) { return mmap(p, n, protection, flags, file, offset); }

typedef int create_thread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static create_thread *real_create_thread;
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *), void *argument) {
  size_t stack = 0;
  if (attributes) pthread_attr_getstacksize(attributes, &stack);
  if (!is_of_heap && fails(stack)) return EAGAIN;
  return real_create_thread(thread, attributes, work, argument);
}

__attribute__((constructor)) static void begin(void) {
  const char *from = getenv("FAIL_FROM");
  long n;
  int all_later;
  size_t bytes;
  real_create_thread = (create_thread *)dlsym(RTLD_NEXT, "pthread_create");
  if (from && sscanf(from, "%ld %d %zu", &n, &all_later, &bytes) == 3) {
    is_of_heap = 1;
    fail_from(n, all_later, bytes);
  }
}

__attribute__((destructor)) static void end(void) {
  const char *where = getenv("FAIL_COUNT");
  char text[32];
  int length = snprintf(text, sizeof text, "%ld\n", fail_no_more());
  if (where && write(atoi(where), text, (size_t)length) < 0) return;
}
