/* SPDX-License-Identifier: Apache-2.0 */
/* Debian's archives of libpng and libjpeg are compiled for programs: they take `stderr` for a variable of their own object, which a shared
   library has not. This is one, for the library that holds them. Nothing prints: ImageCodecs sets their handlers of errors. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

__attribute__((visibility("hidden"))) void *stderr;

__attribute__((constructor)) static void find_standard_error(void) {
  void **real = (void **)dlsym(RTLD_DEFAULT, "stderr");
  if (real != NULL) stderr = *real;
}
