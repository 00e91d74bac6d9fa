// SPDX-License-Identifier: Apache-2.0

/// The rows of a decoder pass that continue one sequence. A pass's parts cover its rows without gaps, from row 0 on, each with its own KV cache.
package struct SequencePart {
  package let cache: KVCache
  package let rows: Range<Int>

  package init(_ cache: KVCache, rows: Range<Int>) {
    self.cache = cache
    self.rows = rows
  }
}
