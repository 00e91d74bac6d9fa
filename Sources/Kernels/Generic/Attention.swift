// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
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
    let keyHead = head * Int(a.kvHeads) / Int(a.heads)
    let offset = keyHead * a.headStride
    let keyScale = a.keyScale.map { $0 + keyHead * a.scaleStride }
    let valueScale = a.valueScale.map { $0 + keyHead * a.scaleStride }
    var first = firstQuery
    while first < endQuery {
      let count = endQuery - first < queries ? endQuery - first : queries
      s.begin(a, head, first, count)
      let visible = visibleKeys(a, first + count - 1)
      var start = 0
      while start < visible {
        let block = visible - start < 64 ? visible - start : 64
        if count == 1, a.rowBias == nil {
          s.oneScore(a, keys, values, offset, start, block)
          if let keyScale { s.scaleScores(keyScale + start, 1, block) }
          s.weights(a, first, 0, 1, start, block)
          if let valueScale { s.scaleScores(valueScale + start, 1, block) }
          s.oneOutput(a, keys, values, offset, start, block, more: visible - start - block < 64 ? visible - start - block : 64)
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
              if let keyScale { s.scaleScores(keyScale + start, rows, columns) }
              addBias(a, head, first + i, rows, start, columns, factor: 1, to: s.score)
              s.weights(a, first, i, rows, start, columns)
              if let valueScale { s.scaleScores(valueScale + start, rows, columns) }
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
}
#endif
