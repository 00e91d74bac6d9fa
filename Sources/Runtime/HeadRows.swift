// SPDX-License-Identifier: Apache-2.0
import Kernels

/// A product split into heads, `[heads, rows, headSize]` in an arena's memory. Attention reads the tokens of one head, which in rows of all heads lie
/// some kilobytes apart, often in one cache set and each on a page of its own.
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
