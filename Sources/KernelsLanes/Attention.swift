// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

extension VectorKernels {
  /// softmax(scale · q·kᵀ) · v of one head; order of operations and preconditions as in ScalarKernels, exact to it.
  ///
  /// Some 200 queries of 64 values walk the keys in blocks of 64. A block's keys are transposed to [headSize][64] and its values copied
  /// dense, so that scores and outputs are register tiles of 6 queries × 16 or 64 columns. A single query reads keys and values in place.
  /// Best given many queries a call, a multiple of 6: each call packs the keys it sees. Stack: headSize rounded up to 16 · 512 bytes + 128 KiB at most.
  @export(interface)
  package static func attention(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    let headSize = Int(arguments.pointee.headSize)
    guard firstQuery < endQuery, headSize > 0, arguments.pointee.heads > 0 else { return }
    let queries = AttentionScratch.queries(headSize: headSize, endQuery - firstQuery)
    fovea_with_stack(
      AttentionScratch.floats(headSize: headSize, queries: queries) * 4,
      { context, head, first, end, scratch in
        guard let context, let scratch else { return }
        VectorKernels.attention(
          context.assumingMemoryBound(to: AttentionArguments.self).pointee, head, first, end,
          scratch.assumingMemoryBound(to: Float.self))
      }, arguments, head, firstQuery, endQuery)
  }

  @inline(__always)
  private static func attention(
    _ a: AttentionArguments, _ head: Int, _ firstQuery: Int, _ endQuery: Int, _ memory: UnsafeMutablePointer<Float>
  ) {
    guard let keys = a.key, let values = a.value else { return }
    let queries = AttentionScratch.queries(headSize: Int(a.headSize), endQuery - firstQuery)
    let s = AttentionScratch(memory, headSize: Int(a.headSize), queries: queries)
    let offset = head * Int(a.kvHeads) / Int(a.heads) * a.headStride
    var first = firstQuery
    while first < endQuery {
      let count = endQuery - first < queries ? endQuery - first : queries
      s.begin(a, head, first, count)
      let visible = visibleKeys(a, first + count - 1)
      var start = 0
      while start < visible {
        let block = visible - start < 64 ? visible - start : 64
        if count == 1, a.rowBias == nil {
          s.oneQuery(a, keys, values, offset, first, start, block)
        } else {
          s.packRows(keys, a, offset, start, block)
          s.transposeKeys(block)
          s.packRows(values, a, offset, start, block)
          var i = 0
          while i < count {
            let rows = count - i < 6 ? count - i : 6
            let seen = visibleKeys(a, first + i + rows - 1) - start
            if seen > 0 {
              let columns = seen < block ? seen : block
              s.scores(i, rows, columns)
              addBias(a, head, first + i, rows, start, columns, factor: 1, to: s.score)
              s.weights(a, first, i, rows, start, columns)
              s.outputs(i, rows, columns)
            }
            i += 6
          }
        }
        start += 64
      }
      s.finish(a, head, first, count)
      first += count
    }
  }

  /// Adds `factor` times the grid's bias to the scores `[rows][64]` of queries from `first` on with `count` keys from `start` on.
  @inline(__always)
  static func addBias(
    _ a: AttentionArguments, _ head: Int, _ first: Int, _ rows: Int, _ start: Int, _ count: Int, factor: Float,
    to scores: UnsafeMutablePointer<Float>
  ) {
    guard let rowBias = a.rowBias, let columnBias = a.columnBias, a.gridWidth > 0 else { return }
    let width = Int(a.gridWidth)
    var t = 0
    while t < rows {
      let offset = (first + t) * a.biasStride + head * a.biasHeadStride
      var row = rowBias + offset + start / width
      let columns = columnBias + offset
      var column = start % width
      var j = 0
      while j < count {  // runs of neighbours in one row of the grid
        var run = width - column < count - j ? width - column : count - j
        run = run < 16 ? run : 16
        let p = scores + t * 64 + j
        let bias = Lanes(repeating: row.pointee) + Lanes(columns + column, count: run)
        Lanes(p, count: run).addingProduct(bias, Lanes(repeating: factor)).store(p, count: run)
        j += run
        column += run
        if column == width {
          column = 0
          row += 1
        }
      }
      t += 1
    }
  }

  /// How many keys query `i` sees.
  @inline(__always)
  static func visibleKeys(_ a: AttentionArguments, _ i: Int) -> Int {
    if a.causalStart < 0 { return Int(a.keys) }
    let seen = Int(a.causalStart) + i + 1
    return seen < Int(a.keys) ? seen : Int(a.keys)
  }
}
#endif
