// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

extension VectorKernels {
  /// softmax(scale · q·kᵀ) · v of one head; order of operations and preconditions as in ScalarKernels, exact to it.
  ///
  /// Up to 48 queries at a time walk the keys in blocks of 64. A block's keys are transposed to [headSize][64] and its values copied dense,
  /// so that scores and outputs are register tiles of 6 queries × 16 or 64 columns. Stack: (headSize rounded up to 16) · 896 bytes + 16 KiB at most.
  package static func attention(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    guard firstQuery < endQuery, arguments.pointee.headSize > 0, arguments.pointee.heads > 0 else { return }
    let queries = endQuery - firstQuery < 48 ? endQuery - firstQuery : 48
    let floats = AttentionScratch.floats(headSize: Int(arguments.pointee.headSize), queries: queries)
    fovea_with_stack(
      floats * 4,
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
    let queries = endQuery - firstQuery < 48 ? endQuery - firstQuery : 48
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
        s.packRows(keys, a, offset, start, block)
        s.transposeKeys(block)
        s.packRows(values, a, offset, start, block)
        if count == 1 {
          s.scoresOfOne(block)
          s.weights(a, first, 0, 1, start, block)
          s.outputsOfOne(block)
        } else {
          var i = 0
          while i < count {
            let rows = count - i < 6 ? count - i : 6
            s.scores(i, rows, block)
            s.weights(a, first, i, rows, start, block)
            s.outputs(i, rows, block)
            i += 6
          }
        }
        start += 64
      }
      s.finish(a, head, first, count)
      first += count
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

/// Working memory of `attention` for some queries and one block of 64 keys; all row-major, `padded` = headSize rounded up to 16.
struct AttentionScratch {
  let headSize, padded: Int
  /// [queries, padded]: queries times scale; running outputs.
  let query, output: UnsafeMutablePointer<Float>
  /// [queries, 64]: scores, then weights.
  let score: UnsafeMutablePointer<Float>
  /// [padded, 64]: the block's keys, one column each.
  let key: UnsafeMutablePointer<Float>
  /// [64, padded]: the block's values (before that its keys).
  let value: UnsafeMutablePointer<Float>
  /// [queries, 16]: running sums of weights.
  let sum: UnsafeMutablePointer<Float>
  /// [queries rounded up to 16]: running maxima; this block's maxima; this block's corrections.
  let maximum, newMaximum, correction: UnsafeMutablePointer<Float>

  static func floats(headSize: Int, queries: Int) -> Int {
    let padded = (headSize + 15) & ~15
    let rounded = (queries + 15) & ~15
    return queries * (2 * padded + 64 + 16) + 128 * padded + 3 * rounded
  }

  @inline(__always)
  init(_ memory: UnsafeMutablePointer<Float>, headSize: Int, queries: Int) {
    self.headSize = headSize
    padded = (headSize + 15) & ~15
    let rounded = (queries + 15) & ~15
    query = memory
    output = query + queries * padded
    score = output + queries * padded
    key = score + queries * 64
    value = key + padded * 64
    sum = value + padded * 64
    maximum = sum + queries * 16
    newMaximum = maximum + rounded
    correction = newMaximum + rounded
  }

  @inline(__always)
  func begin(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int) {
    let scale = Lanes(repeating: a.scale)
    var i = 0
    while i < count {
      maximum[i] = -.infinity
      Lanes().store(sum + i * 16)
      if let source = a.query {
        let q = source + (first + i) * a.queryStride + head * headSize
        var d = 0
        while d < headSize {
          (Lanes(q + d, count: headSize - d < 16 ? headSize - d : 16) * scale).store(query + i * padded + d)
          Lanes().store(output + i * padded + d)
          d += 16
        }
      }
      i += 1
    }
  }

  /// Copies `count` rows of keys or values to `value`, widened to f32, and zeros up to a multiple of 16 rows.
  @inline(__always)
  func packRows(_ base: UnsafeRawPointer, _ a: AttentionArguments, _ offset: Int, _ start: Int, _ count: Int) {
    var j = 0
    while j < count {
      let index = (start + j) * a.tokenStride + offset
      let row = value + j * padded
      var d = 0
      if a.isHalf != 0 {
        let source = base.assumingMemoryBound(to: UInt16.self) + index
        while d + 16 <= headSize {
          Lanes(half: source + d).store(row + d)
          d += 16
        }
        if d < headSize { Lanes(half: source + d, count: headSize - d).store(row + d) }
      } else {
        let source = base.assumingMemoryBound(to: Float.self) + index
        while d + 16 <= headSize {
          Lanes(source + d).store(row + d)
          d += 16
        }
        if d < headSize { Lanes(source + d, count: headSize - d).store(row + d) }
      }
      j += 1
    }
    var d = count * padded
    let end = ((count + 15) & ~15) * padded
    while d < end {
      Lanes().store(value + d)
      d += 16
    }
  }

  @inline(__always)
  func transposeKeys(_ count: Int) {
    var j = 0
    while j < count {
      var d = 0
      while d < padded {
        transpose16x4(value + j * padded + d, padded, key + d * 64 + j, 64)
        d += 4
      }
      j += 16
    }
  }

  /// Scores of queries i ..< i + rows with the block's keys.
  @inline(__always)
  func scores(_ i: Int, _ rows: Int, _ count: Int) {
    let q = Rows(query + i * padded, stride: padded, count: rows)
    var j = 0
    while j < count {
      let c = Rows(score + i * 64 + j, stride: 64, count: rows)
      if WideColumns.width > 1, count - j > 16 * (WideColumns.width - 1) {
        var tile = Tile<WideColumns>()
        tile.accumulate(q, key + j, stride: 64, step: 256, count: headSize, isHalf: false)
        tile.store(c)
        j += 16 * WideColumns.width
      } else {
        var tile = Tile<Columns1>()
        tile.accumulate(q, key + j, stride: 64, step: 256, count: headSize, isHalf: false)
        tile.store(c)
        j += 16
      }
    }
  }

  @inline(__always)
  func scoresOfOne(_ count: Int) {
    if count > 48 {
      var row = Columns4()
      accumulate(&row, query, key, stride: 64, step: 256, count: headSize, isHalf: false)
      row.forEach { $1.store(score + 16 * $0) }
      return
    }
    var j = 0
    while j < count {
      var row = Columns1()
      accumulate(&row, query, key + j, stride: 64, step: 256, count: headSize, isHalf: false)
      row.forEach { $1.store(score + j + 16 * $0) }
      j += 16
    }
  }

  /// Scores to weights: running maxima, corrections, sums.
  @inline(__always)
  func weights(_ a: AttentionArguments, _ first: Int, _ i: Int, _ rows: Int, _ start: Int, _ count: Int) {
    var t = i
    while t < i + rows {
      let visible = VectorKernels.visibleKeys(a, first + t) - start
      var maxima = Lanes(repeating: maximum[t])
      let p = score + t * 64
      var j = 0
      while j < 64 {
        maxima = Self.visibleScores(p, j, visible < count ? visible : count).max(maxima)
        j += 16
      }
      newMaximum[t] = maxima.largest
      t += 1
    }
    exponential(Lanes(maximum + i, count: rows) - Lanes(newMaximum + i, count: rows)).store(correction + i, count: rows)
    t = i
    while t < i + rows {
      let visible = VectorKernels.visibleKeys(a, first + t) - start
      let largest = Lanes(repeating: newMaximum[t])
      maximum[t] = newMaximum[t]
      let p = score + t * 64
      var total = Lanes(sum + t * 16) * Lanes(repeating: correction[t])
      var j = 0
      while j < 64 {
        let weight = exponential(Self.visibleScores(p, j, visible < count ? visible : count) - largest)
        weight.store(p + j)
        total = total + weight
        j += 16
      }
      total.store(sum + t * 16)
      t += 1
    }
  }

  /// 16 scores from key `j` of the block; −∞ from key `visible` on.
  @inline(__always)
  private static func visibleScores(_ p: UnsafePointer<Float>, _ j: Int, _ visible: Int) -> Lanes {
    if j + 16 <= visible { return Lanes(p + j) }
    return Lanes(p + j, count: visible > j ? visible - j : 0, pad: -.infinity)
  }

  /// output ← output · correction + weights · values for queries i ..< i + rows.
  @inline(__always)
  func outputs(_ i: Int, _ rows: Int, _ count: Int) {
    let p = Rows(score + i * 64, stride: 64, count: rows)
    var d = 0
    while d < padded {
      let c = Rows(output + i * padded + d, stride: padded, count: rows)
      if WideColumns.width > 1, padded - d >= 16 * WideColumns.width {
        var tile = Tile<WideColumns>(c, factors: correction + i, count: rows)
        tile.accumulate(p, value + d, stride: 64, step: padded * 4, count: count, isHalf: false)
        tile.store(c)
        d += 16 * WideColumns.width
      } else {
        var tile = Tile<Columns1>(c, factors: correction + i, count: rows)
        tile.accumulate(p, value + d, stride: 64, step: padded * 4, count: count, isHalf: false)
        tile.store(c)
        d += 16
      }
    }
  }

  @inline(__always)
  func outputsOfOne(_ count: Int) {
    let factor = Lanes(repeating: correction[0])
    var d = 0
    while d < padded {
      if padded - d >= 64 {
        var row = Columns4(output + d, stride: 64, isHalf: false)
        row.multiply(factor)
        accumulate(&row, score, value + d, stride: 64, step: padded * 4, count: count, isHalf: false)
        row.forEach { $1.store(output + d + 16 * $0) }
        d += 64
      } else {
        var row = Columns1(output + d, stride: 64, isHalf: false)
        row.multiply(factor)
        accumulate(&row, score, value + d, stride: 64, step: padded * 4, count: count, isHalf: false)
        row.forEach { $1.store(output + d) }
        d += 16
      }
    }
  }

  /// Divides by the sums of weights and writes the outputs; zeros for a query that saw no key.
  @inline(__always)
  func finish(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int) {
    guard let destination = a.output else { return }
    var i = 0
    while i < count {
      let total = Lanes(sum + i * 16).sum
      let inverse = Lanes(repeating: VectorKernels.visibleKeys(a, first + i) > 0 ? 1 / total : 0)
      let y = destination + (first + i) * a.outputStride + head * headSize
      var d = 0
      while d < headSize {
        (Lanes(output + i * padded + d) * inverse).store(y + d, count: headSize - d < 16 ? headSize - d : 16)
        d += 16
      }
      i += 1
    }
  }
}

#endif
