// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

extension VectorKernels {
  /// `attention` in integers; formulas as in ScalarKernels, exact to it.
  ///
  /// Some hundred queries walk the keys in blocks of 64. A block's keys are rounded and laid out in quads of int8 or pairs of int16, its values in
  /// pairs, so that scores and outputs are register tiles of 6 queries × 16 or 64 columns that add four and two products a lane and instruction.
  /// Best given many queries a call, a multiple of 6: each call packs the keys it sees. Stack: 224 KiB at most.
  @export(interface)
  package static func attentionInteger(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    let headSize = Int(arguments.pointee.headSize)
    guard firstQuery < endQuery, headSize > 0, arguments.pointee.heads > 0 else { return }
    let queries = AttentionIntegers.queries(headSize: headSize, endQuery - firstQuery)
    fovea_with_stack(
      AttentionIntegers.floats(headSize: headSize, queries: queries) * 4,
      { context, head, first, end, scratch in
        guard let context, let scratch else { return }
        VectorKernels.attentionInteger(
          context.assumingMemoryBound(to: AttentionArguments.self).pointee, head, first, end,
          scratch.assumingMemoryBound(to: Float.self))
      }, arguments, head, firstQuery, endQuery)
  }

  @inline(__always)
  private static func attentionInteger(
    _ a: AttentionArguments, _ head: Int, _ firstQuery: Int, _ endQuery: Int, _ memory: UnsafeMutablePointer<Float>
  ) {
    guard let keys = a.key, let values = a.value else { return }
    let queries = AttentionIntegers.queries(headSize: Int(a.headSize), endQuery - firstQuery)
    let s = AttentionIntegers(memory, headSize: Int(a.headSize), queries: queries)
    let offset = head * Int(a.kvHeads) / Int(a.heads) * a.headStride
    var first = firstQuery
    while first < endQuery {
      let count = endQuery - first < queries ? endQuery - first : queries
      s.begin(a, head, first, count)
      let visible = visibleKeys(a, first + count - 1)
      var start = 0
      while start < visible {
        let block = Int(a.keys) - start < 64 ? Int(a.keys) - start : 64
        packRows(keys, a, offset, start, block, to: s.rows)
        s.packKeys(block)
        packRows(values, a, offset, start, block, to: s.rows)
        s.packValues(block)
        var i = 0
        while i < count {
          let rows = count - i < 6 ? count - i : 6
          let seen = visibleKeys(a, first + i + rows - 1) - start
          if seen > 0 {
            let columns = seen < block ? seen : block
            s.scores(i, rows, columns)
            addBias(a, head, first + i, rows, start, columns, factor: log2e, to: s.score)
            s.weights(a, first, i, rows, start, columns)
            s.outputs(i, rows, columns)
          }
          i += 6
        }
        start += 64
      }
      s.finish(a, head, first, count)
      first += count
    }
  }
}
#endif
