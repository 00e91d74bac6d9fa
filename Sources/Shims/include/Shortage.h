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
/// That number when this thread's current call began; outside a call, the number now.
uint32_t memory_shortages_before_call(void);
/// Begins a call on this thread. Pass the result to `memory_call_end`: a callback may make calls of its own.
int64_t memory_call_begin(void);
void memory_call_end(int64_t outer);
/// Whether the system would give `bytes` at once now. Ask before making an array whose size a caller decides: without memory Swift's arrays end
/// the process, and the reserve serves small ones only.
bool memory_has_room(size_t bytes);

#endif
