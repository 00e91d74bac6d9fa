// SPDX-License-Identifier: Apache-2.0
import Kernels

/// The heads of a product one after the other, `[heads, rows, headSize]` in an arena's memory: attention walks the tokens of one head, which
/// in rows of all heads stand some kilobytes apart, often in one set of the cache and each on a page of its own.
package struct HeadRows {
  package let data: UnsafeMutablePointer<Float>
  package let heads, rows, headSize: Int
  private let owner: Arena

  /// With any content.
  package init(heads: Int, rows: Int, headSize: Int, _ ctx: Context) throws(RuntimeError) {
    data = try ctx.arena.tensor(heads &* rows, headSize).data
    (self.heads, self.rows, self.headSize) = (heads, rows, headSize)
    owner = ctx.arena
  }

  /// Start of a head.
  package subscript(head: Int) -> UnsafeMutablePointer<Float> {
    assert(head >= 0 && head < heads)
    return data + head &* rows &* headSize
  }
}
