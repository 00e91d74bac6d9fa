/* SPDX-License-Identifier: Apache-2.0 */
#include "Shortage.h"

#include <stdlib.h>

static uint32_t shortages;
static _Thread_local int64_t call = -1; /* `shortages` when the call began; −1: none */

void memory_fell_short(void) { __atomic_fetch_add(&shortages, 1, __ATOMIC_RELAXED); }

uint32_t memory_shortages(void) { return __atomic_load_n(&shortages, __ATOMIC_RELAXED); }

uint32_t memory_shortages_before_call(void) { return call < 0 ? memory_shortages() : (uint32_t)call; }

int64_t memory_call_begin(void) {
  int64_t outer = call;
  call = memory_shortages();
  return outer;
}

void memory_call_end(int64_t outer) { call = outer; }

bool memory_has_room(size_t bytes) {
  /* Volatile, so that the compiler does not take the pair away. */
  void *volatile p = malloc(bytes);
  free(p);
  return p != NULL;
}
