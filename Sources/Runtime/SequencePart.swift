// SPDX-License-Identifier: Apache-2.0

/// Rows of a pass through a decoder that continue one sequence. Parts of a pass follow each other without gaps, the first from row 0 on, each
/// with a cache of its own.
package struct SequencePart {
  package let cache: KVCache
  package let rows: Range<Int>

  package init(_ cache: KVCache, rows: Range<Int>) {
    self.cache = cache
    self.rows = rows
  }
}
