/* SPDX-License-Identifier: Apache-2.0 */
/* Whether memory ran out during a call. Only the stand-alone library finds out: see Sources/Reserve. */
#ifndef FOVEA_SHORTAGE_H
#define FOVEA_SHORTAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Notes that the system refused memory.
void memory_fell_short(void);
/// How often it did, in this process.
uint32_t memory_shortages(void);
/// That number as it was when the call began that this thread is in; now, where it is in none.
uint32_t memory_shortages_before_call(void);
/// Begins a call on this thread. Returns what `memory_call_end` takes back: a callback may make calls of its own.
int64_t memory_call_begin(void);
void memory_call_end(int64_t outer);
/// Whether the system would give so much at once now. To be asked before an array is made whose size a caller decides: Swift's arrays end the
/// process where there is no memory, and what is set aside serves small ones.
bool memory_has_room(size_t bytes);

#endif
