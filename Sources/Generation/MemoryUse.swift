// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a model holds now, in bytes, by kind.
package struct MemoryUse {
  /// Weights in allocated memory, and weights used from the file's mapping.
  package var weights = 0, mapped = 0
  /// KV caches of all sessions, as far as they were written.
  package var sessions = 0
  /// Scratch memory of running calls, and what sessions keep of it between calls.
  package var scratch = 0
  /// Image embeddings.
  package var images = 0
  /// Held for the model's lifetime, as in `MemoryPlan`.
  package var tables = 0
  package var total: Int { weights + mapped + sessions + scratch + images + tables }
}

/// Counters of a model's memory.
struct MemoryCounters {
  let sessions = MemoryCounter(), scratch = MemoryCounter(), images = MemoryCounter()
}

extension Model {
  package var memoryUse: MemoryUse {
    var use = MemoryUse()
    (use.weights, use.mapped) = presentWeights
    (use.sessions, use.scratch, use.images) = (counters.sessions.bytes, counters.scratch.bytes, counters.images.bytes)
    use.tables = tableBytes
    return use
  }
}
