/* SPDX-License-Identifier: Apache-2.0 */
#include "CArguments.h"

#include <stddef.h>

static int kept_count;
static char **kept;

#ifdef __gnu_linux__
/* glibc calls constructors with main's arguments. */
__attribute__((constructor)) static void keep(int count, char **arguments) {
  kept_count = count;
  kept = arguments;
}
#endif

char **program_arguments(int *count) {
  *count = kept_count;
  return kept;
}
