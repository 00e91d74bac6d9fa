// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// Attention in f32. A block's keys are transposed to [headSize][64] and its values copied without gaps; few queries read both in place.
/// All row-major, `padded` = headSize rounded up to 16.
struct AttentionFloatTiles: AttentionTiles {
  let headSize, padded: Int
  /// [queries, padded]: queries times scale; running outputs.
  let query, output: UnsafeMutablePointer<Float>
  /// [6, 64]: scores of one tile of queries, then weights.
  let score: UnsafeMutablePointer<Float>
  /// [padded, 64]: the block's keys, one column each.
  let key: UnsafeMutablePointer<Float>
  /// [64, padded]: the block's values; before that its keys, to be transposed.
  let value: UnsafeMutablePointer<Float>
  /// [queries, 16]: running sums of weights.
  let sum: UnsafeMutablePointer<Float>
  /// [queries rounded up to 16]: running maxima.
  let maximum: UnsafeMutablePointer<Float>
  /// [16], for one tile: the maxima with this block, and the factors that rescale earlier sums.
  let newMaximum, correction: UnsafeMutablePointer<Float>

  /// How many queries to take at a time: equal parts, multiples of 6, of at most 12 672 values.
  static func queries(headSize: Int, _ count: Int) -> Int {
    let most = 12_672 / ((headSize + 15) & ~15) / 6 * 6
    let parts = (count + most - 1) / most
    let part = ((count + parts - 1) / parts + 5) / 6 * 6
    return part < count ? part : count
  }

  static func floats(headSize: Int, queries: Int) -> Int {
    let padded = (headSize + 15) & ~15
    return queries * (2 * padded + 16) + 128 * padded + ((queries + 15) & ~15) + 6 * 64 + 32
  }

  @inline(__always)
  init(_ memory: UnsafeMutablePointer<Float>, headSize: Int, queries: Int) {
    self.headSize = headSize
    padded = (headSize + 15) & ~15
    key = memory
    value = key + padded * 64
    score = value + padded * 64
    query = score + 6 * 64
    output = query + queries * padded
    sum = output + queries * padded
    maximum = sum + queries * 16
    newMaximum = maximum + ((queries + 15) & ~15)
    correction = newMaximum + 16
  }

  @inline(__always) static var packsHiddenKeys: Bool { false }

  @inline(__always)
  func visit(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock, _ first: Int, _ count: Int) {
    if readsInPlace(a, queries: count, keys: block.count) {
      visitInPlace(a, keys, values, block, first, count)
    } else {
      visitInTiles(a, keys, values, block, first, count)
    }
  }

  @inline(__always)
  func pack(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock) {
    packRows(keys, a, block.offset(a), block.start, block.count)
    transposeKeys(block.count)
    packRows(values, a, block.offset(a), block.start, block.count)
  }

  @inline(__always)
  func add(_ a: AttentionArguments, _ block: AttentionBlock, _ first: Int, _ i: Int, _ rows: Int, _ seen: Int) {
    scores(i, rows, seen)
    if let scales = a.keyScale { scaleScores(scales + block.keyHead * a.scaleStride + block.start, rows, seen) }
    VectorKernels.addBias(a, block.head, first + i, rows, block.start, seen, factor: 1, to: score)
    weights(a, first, i, rows, block.start, seen)
    if let scales = a.valueScale { scaleScores(scales + block.keyHead * a.scaleStride + block.start, rows, seen) }
    outputs(i, rows, seen)
  }

  @inline(__always)
  func begin(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int) {
    guard let source = a.query else { return }
    let scale = Lanes(repeating: a.scale)
    var i = 0
    while i < count {
      maximum[i] = -.infinity
      Lanes().store(sum + i * 16)
      let q = source + (first + i) * a.queryStride + head * headSize
      var d = 0
      while d < headSize {
        (Lanes(q + d, count: headSize - d < 16 ? headSize - d : 16) * scale).store(query + i * padded + d)
        Lanes().store(output + i * padded + d)
        d += 16
      }
      i += 1
    }
  }

  /// Copies `count` rows of keys or values to `value`, widened to f32, and zeros up to a multiple of 16 rows.
  @inline(__always)
  func packRows(_ base: UnsafeRawPointer, _ a: AttentionArguments, _ offset: Int, _ start: Int, _ count: Int) {
    VectorKernels.packRows(base, a, offset, start, count, to: value)
  }

  /// Transposes the packed rows into `key`.
  @inline(__always)
  func transposeKeys(_ count: Int) {
    var j = 0
    while j < count {
      var d = 0
      while d < padded {
        let x = transposed(value + j * padded + d, padded * 4)
        let column = key + d * 64 + j
        x.0.store(column)
        x.1.store(column + 64)
        x.2.store(column + 128)
        x.3.store(column + 192)
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
      let c = Rows(score + j, stride: 64, count: rows)
      if WideColumns.width > 1, count - j > 16 * (WideColumns.width - 1) {
        var tile = Tile<WideColumns>()
        tile.accumulate(q, key + j, stride: 64, step: 256, count: headSize, .float32)
        tile.store(c)
        j += 16 * WideColumns.width
      } else {
        var tile = Tile<Columns1>()
        tile.accumulate(q, key + j, stride: 64, step: 256, count: headSize, .float32)
        tile.store(c)
        j += 16
      }
    }
  }

  /// Scores of `rows` queries times a scale for each key.
  @inline(__always)
  func scaleScores(_ scales: UnsafePointer<Float>, _ rows: Int, _ count: Int) {
    var j = 0
    while j < count {
      let lanes = count - j < 16 ? count - j : 16
      let factor = Lanes(scales + j, count: lanes)
      var t = 0
      while t < rows {
        let p = score + t * 64 + j
        (Lanes(p) * factor).store(p)
        t += 1
      }
      j += 16
    }
  }

  /// Turns a tile's scores into weights; updates running maxima, corrections and sums.
  @inline(__always)
  func weights(_ a: AttentionArguments, _ first: Int, _ i: Int, _ rows: Int, _ start: Int, _ count: Int) {
    var t = 0
    while t < rows {
      let seen = VectorKernels.visibleKeys(a, first + i + t) - start
      let visible = seen < count ? seen : count
      var maxima = Lanes(repeating: maximum[i + t])
      var j = 0
      while j < count {
        maxima = Self.visibleScores(score + t * 64, j, visible).max(maxima)
        j += 16
      }
      newMaximum[t] = maxima.largest
      t += 1
    }
    exponential(upTo88: Lanes(maximum + i, count: rows) - Lanes(newMaximum, count: rows)).store(correction)
    t = 0
    while t < rows {
      let seen = VectorKernels.visibleKeys(a, first + i + t) - start
      let visible = seen < count ? seen : count
      let largest = Lanes(repeating: newMaximum[t])
      maximum[i + t] = newMaximum[t]
      let p = score + t * 64
      var total = Lanes(sum + (i + t) * 16) * Lanes(repeating: correction[t])
      var j = 0
      while j < count {
        let weight = exponential(upTo88: Self.visibleScores(p, j, visible) - largest)
        weight.store(p + j)
        total = total + weight
        j += 16
      }
      total.store(sum + (i + t) * 16)
      t += 1
    }
  }

  /// 16 scores from key `j` of the block; −∞ from key `visible` on.
  @inline(__always)
  static func visibleScores(_ p: UnsafePointer<Float>, _ j: Int, _ visible: Int) -> Lanes {
    if j + 16 <= visible { return Lanes(p + j) }
    return Lanes(p + j, count: visible > j ? visible - j : 0, pad: -.infinity)
  }

  /// output ← output · correction + weights · values for queries i ..< i + rows.
  @inline(__always)
  func outputs(_ i: Int, _ rows: Int, _ count: Int) {
    let p = Rows(score, stride: 64, count: rows)
    var d = 0
    while d < padded {
      let c = Rows(output + i * padded + d, stride: padded, count: rows)
      if WideColumns.width > 1, padded - d >= 16 * WideColumns.width {
        var tile = Tile<WideColumns>(c, factors: correction, count: rows)
        tile.accumulate(p, value + d, stride: 64, step: padded * 4, count: count, .float32)
        tile.store(c)
        d += 16 * WideColumns.width
      } else {
        var tile = Tile<Columns1>(c, factors: correction, count: rows)
        tile.accumulate(p, value + d, stride: 64, step: padded * 4, count: count, .float32)
        tile.store(c)
        d += 16
      }
    }
  }

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
