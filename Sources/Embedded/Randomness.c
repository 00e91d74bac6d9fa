/* SPDX-License-Identifier: Apache-2.0 */
/* A function that Embedded Swift's standard library needs and glibc before 2.36 lacks. tools/build-embedded links it; no package target has it. */
#include <errno.h>
#include <stddef.h>
#include <sys/random.h>

/* Seeds hash tables. Where the kernel has no randomness yet the bytes keep their values: no answer depends on them. */
__attribute__((visibility("hidden"))) void arc4random_buf(void *buffer, size_t bytes) {
  char *p = buffer;
  while (bytes > 0) {
    ssize_t n = getrandom(p, bytes, GRND_NONBLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    p += n;
    bytes -= (size_t)n;
  }
}
