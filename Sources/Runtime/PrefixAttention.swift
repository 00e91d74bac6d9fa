// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// Attention of slices that begin with a prefix: the prefix's rows see each other, each row behind it the prefix and the rows up to itself.
/// - Parameters:
///   - qkv: `[batch·n, (heads + 2·kvHeads)·headSize]`, a row is q | k | v; `heads` is a multiple of `kvHeads`.
///   - prefix: rows of a slice's prefix, at most n.
/// - Returns: `[batch·n, heads·headSize]`.
package func prefixAttention(
  qkv: Tensor, batch: Int, prefix: Int, heads: Int, kvHeads: Int, headSize: Int, _ ctx: Context
) throws(RuntimeError) -> Tensor {
  guard headSize > 0, headSize <= largestHeadSize else {
    throw .shape(operation: "attention head size", expected: largestHeadSize, found: headSize)
  }
  guard kvHeads > 0, heads > 0, heads % kvHeads == 0 else { throw .shape(operation: "attention heads", expected: kvHeads, found: heads) }
  let columns = (heads &+ 2 &* kvHeads) &* headSize
  guard qkv.columns == columns else { throw .shape(operation: "attention qkv", expected: columns, found: qkv.columns) }
  guard batch > 0, qkv.rows % batch == 0 else { throw .shape(operation: "attention batch", expected: batch, found: qkv.rows) }
  let rows = qkv.rows / batch
  guard prefix >= 0, prefix <= rows else { throw .shape(operation: "attention prefix", expected: rows, found: prefix) }
  let y = try ctx.arena.tensor(qkv.rows, heads &* headSize)

  /// `queries` rows of each slice from `first` on, which see `keys`.
  func slices(first: Int, queries: Int, keys: Int, causalStart: Int) -> [AttentionArguments] {
    (0..<batch).map { slice in
      let row = qkv[slice &* rows]
      var a = AttentionArguments()
      a.query = UnsafePointer(row + first &* columns)
      a.queryStride = columns
      a.key = UnsafeRawPointer(row + heads &* headSize)
      a.value = UnsafeRawPointer(row + (heads &+ kvHeads) &* headSize)
      a.tokenStride = columns
      a.headStride = headSize
      a.heads = Int64(heads)
      a.kvHeads = Int64(kvHeads)
      a.headSize = Int64(headSize)
      a.queries = Int64(queries)
      a.keys = Int64(keys)
      a.causalStart = Int64(causalStart)
      a.scale = 1 / Float(headSize).squareRoot()
      a.output = y[slice &* rows &+ first]
      a.outputStride = y.columns
      return a
    }
  }

  let arithmetic = AttentionArithmetic(allowsIntegers: ctx.integerAttention, headSize: headSize, queries: prefix)
  run(slices(first: 0, queries: prefix, keys: prefix, causalStart: -1), queries: prefix, heads: heads, arithmetic, ctx)
  let others = rows - prefix
  run(slices(first: prefix, queries: others, keys: rows, causalStart: prefix), queries: others, heads: heads, .float, ctx)
  return y
}
