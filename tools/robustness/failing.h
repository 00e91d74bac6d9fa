/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

/* From now on the n-th allocation of at least `bytes` fails; every later one too with `all_later`. */
void fail_from(long n, int all_later, size_t bytes);
/* No allocation fails any more. Returns how many were counted. */
long fail_no_more(void);
