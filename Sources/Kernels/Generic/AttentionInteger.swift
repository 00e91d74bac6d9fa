// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// Scores are kept in units of ln 2: powers of two are cheaper than of e.
@inline(__always) var log2e: Float { 1.442_695_04 }

/// Constants of 256 · 255 · 2^−f for 0 ≤ f ≤ 1, as ScalarKernels' `weight` has them: one − f · (slope − f · curve).
@inline(__always) var weightOne: Int16 { Int16(bitPattern: 65_280) }
@inline(__always) var weightSlope: Int16 { Int16(bitPattern: 43_842) }
@inline(__always) var weightCurve: Int16 { 11_202 }

extension IntegerLanes {
  /// x to the nearest integer, ties to even, and to ±limit.
  @inline(__always) init(rounding x: Lanes, limit: Int32) {
    self = IntegerLanes(bitsOf: x + roundingShift, minus: roundingShift).clamped(to: limit)
  }
}

extension VectorKernels {
  /// `attention` in integers; formulas as in ScalarKernels, exact to it.
  ///
  /// Some hundred queries walk the keys in blocks of 64. A block's keys and values are rounded and laid out in quads of int8 or pairs of int16,
  /// so that scores and outputs are register tiles of 6 queries × 16 or 64 columns that add four or two products a lane and instruction.
  /// Best given many queries a call, a multiple of 6: each call packs the keys it sees. Stack: 256 KiB at most.
  @export(interface)
  package static func attentionInteger(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    let headSize = Int(arguments.pointee.headSize)
    guard firstQuery < endQuery, headSize > 0, arguments.pointee.heads > 0 else { return }
    if headSize >= 64 {
      let queries = AttentionBytes.queries(headSize: headSize, endQuery - firstQuery)
      fovea_with_stack(
        AttentionBytes.floats(headSize: headSize, queries: queries) * 4,
        { context, head, first, end, scratch in
          guard let context, let scratch else { return }
          VectorKernels.attentionBytes(
            context.assumingMemoryBound(to: AttentionArguments.self).pointee, head, first, end,
            scratch.assumingMemoryBound(to: Float.self))
        }, arguments, head, firstQuery, endQuery)
    } else {
      let queries = AttentionIntegers.queries(headSize: headSize, endQuery - firstQuery)
      fovea_with_stack(
        AttentionIntegers.floats(headSize: headSize, queries: queries) * 4,
        { context, head, first, end, scratch in
          guard let context, let scratch else { return }
          VectorKernels.attentionIntegers(
            context.assumingMemoryBound(to: AttentionArguments.self).pointee, head, first, end,
            scratch.assumingMemoryBound(to: Float.self))
        }, arguments, head, firstQuery, endQuery)
    }
  }

  /// Heads of 64 and more, 8 bits.
  @inline(__always)
  private static func attentionBytes(
    _ a: AttentionArguments, _ head: Int, _ firstQuery: Int, _ endQuery: Int, _ memory: UnsafeMutablePointer<Float>
  ) {
    guard let keys = a.key, let values = a.value else { return }
    let queries = AttentionBytes.queries(headSize: Int(a.headSize), endQuery - firstQuery)
    let s = AttentionBytes(memory, headSize: Int(a.headSize), queries: queries)
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
        s.packValues(start, block)
        var i = 0
        while i < count {
          let rows = count - i < 6 ? count - i : 6
          let seen = visibleKeys(a, first + i + rows - 1) - start
          if seen > 0 {
            let columns = seen < block ? seen : block
            s.scores(a, head, first, i, rows, start, columns)
            s.weights(a, first, i, rows, start, block)
            s.outputs(i, rows, block)
          }
          i += 6
        }
        start += 64
      }
      s.finish(a, head, first, count)
      first += count
    }
  }

  /// Smaller heads, 12 bits.
  @inline(__always)
  private static func attentionIntegers(
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
