// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// Attention with 12-bit integers: a block's keys and values are quantised and laid out in pairs of int16.
/// All row-major, `padded` = headSize rounded up to 16; a pair is two int16 in one int32.
struct AttentionInt12Tiles: AttentionTiles {
  let headSize, padded: Int
  /// [64, padded]: keys or values before quantisation.
  let rows: UnsafeMutablePointer<Float>
  /// [padded / 2, 64] pairs: the block's keys, one column each.
  let key: UnsafeMutablePointer<Int32>
  /// [32, padded] pairs: the block's values, two keys in a pair.
  let value: UnsafeMutablePointer<Int32>
  /// [64], [padded]: quantisation scales.
  let keyScale, valueScale: UnsafeMutablePointer<Float>
  /// [6, 64]: scores of one tile of queries.
  let score: UnsafeMutablePointer<Float>
  /// [6, 64] int16: their weights.
  let weight: UnsafeMutablePointer<Int16>
  /// [queries, padded / 2] pairs.
  let query: UnsafeMutablePointer<Int32>
  /// [queries, padded]: running outputs.
  let output: UnsafeMutablePointer<Float>
  /// [queries, 16]: running sums of weights.
  let sum: UnsafeMutablePointer<Float>
  /// [queries rounded up to 16]: quantisation scale · attention scale · log₂ e; running maxima.
  let queryScale, maximum: UnsafeMutablePointer<Float>
  /// [16], for one tile: the maxima with this block, and the factors that rescale earlier sums.
  let newMaximum, correction: UnsafeMutablePointer<Float>

  /// How many queries to take at a time: equal parts, multiples of 6, that fit into 224 KiB with one block of keys.
  static func queries(headSize: Int, _ count: Int) -> Int {
    let padded = (headSize + 15) & ~15
    let most = ((56 << 10) - 129 * padded - 800) / (padded + padded / 2 + 18) / 6 * 6
    let parts = (count + most - 1) / most
    let part = ((count + parts - 1) / parts + 5) / 6 * 6
    return part < count ? part : count
  }

  static func floats(headSize: Int, queries: Int) -> Int {
    let padded = (headSize + 15) & ~15
    return 64 * padded + 32 * padded + 32 * padded + 64 + padded + 6 * 64 + 3 * 64 + queries * (padded / 2 + padded + 16)
      + 2 * ((queries + 15) & ~15) + 32
  }

  @inline(__always)
  init(_ memory: UnsafeMutablePointer<Float>, headSize: Int, queries: Int) {
    func pairs(_ p: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Int32> { UnsafeMutableRawPointer(p).assumingMemoryBound(to: Int32.self) }
    self.headSize = headSize
    padded = (headSize + 15) & ~15
    rows = memory
    key = pairs(rows + 64 * padded)
    value = key + 32 * padded
    keyScale = UnsafeMutableRawPointer(value + 32 * padded).assumingMemoryBound(to: Float.self)
    valueScale = keyScale + 64
    score = valueScale + padded
    weight = UnsafeMutableRawPointer(score + 6 * 64).assumingMemoryBound(to: Int16.self)
    query = pairs(score + 9 * 64)
    output = score + 9 * 64 + queries * padded / 2
    sum = output + queries * padded
    queryScale = sum + queries * 16
    maximum = queryScale + ((queries + 15) & ~15)
    newMaximum = maximum + ((queries + 15) & ~15)
    correction = newMaximum + 16
  }

  @inline(__always) static var packsHiddenKeys: Bool { true }

  @inline(__always)
  func pack(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock) {
    VectorKernels.packRows(keys, a, block.offset(a), block.start, block.count, to: rows)
    packKeys(block.count)
    VectorKernels.packRows(values, a, block.offset(a), block.start, block.count, to: rows)
    packValues(block.count)
  }

  @inline(__always)
  func add(_ a: AttentionArguments, _ block: AttentionBlock, _ first: Int, _ i: Int, _ rows: Int, _ seen: Int) {
    scores(i, rows, seen)
    VectorKernels.addBias(a, block.head, first + i, rows, block.start, seen, factor: log2e, to: score)
    weights(a, first, i, rows, block.start, seen)
    outputs(i, rows, seen)
  }

  @inline(__always)
  func begin(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int) {
    guard let source = a.query else { return }
    var i = 0
    while i < count {
      maximum[i] = -.infinity
      Lanes().store(sum + i * 16)
      let q = source + (first + i) * a.queryStride + head * headSize
      var line = 0
      while line < headSize {  // prefetch 12 rows ahead, as in packRows
        fovea_prefetch(q + 12 * a.queryStride + line)
        line += 16
      }
      let row = output + i * padded
      var d = 0
      while d < headSize {
        Lanes(q + d, count: headSize - d < 16 ? headSize - d : 16).store(row + d)
        d += 16
      }
      queryScale[i] = round(row, to: query + i * padded / 2) * (a.scale * log2e)
      d = 0
      while d < padded {
        Lanes().store(row + d)
        d += 16
      }
      i += 1
    }
  }

  /// Quantises a row of `padded` values to pairs; returns the quantisation scale.
  @inline(__always)
  private func round(_ x: UnsafePointer<Float>, to row: UnsafeMutablePointer<Int32>) -> Float {
    var maxima = Lanes()
    var d = 0
    while d < padded {
      maxima = Lanes(x + d).magnitude.max(maxima)
      d += 16
    }
    let largest = maxima.largest
    let isZero = largest < 1e-30
    let inverse = Lanes(repeating: isZero ? 0 : 2047 / largest)
    d = 0
    while d < padded {
      IntegerLanes(rounding: Lanes(x + d) * inverse, limit: 2047).storeLowWords(
        UnsafeMutableRawPointer(row + d / 2).assumingMemoryBound(to: Int16.self))
      d += 16
    }
    return isZero ? 0 : largest / 2047
  }

  /// Quantises `rows` into columns of `key`, padded with zeros to a multiple of 16 columns.
  @inline(__always)
  func packKeys(_ count: Int) {
    var j = 0
    while j < count {
      // In place: a row's integers overwrite the start of its floats.
      var r = 0
      while r < 16 {
        let row = rows + (j + r) * padded
        keyScale[j + r] = round(row, to: UnsafeMutableRawPointer(row).assumingMemoryBound(to: Int32.self))
        r += 1
      }
      var d = 0
      while d < padded / 2 {
        let x = transposed(rows + j * padded + d, padded * 4)
        let column = UnsafeMutableRawPointer(key + d * 64 + j).assumingMemoryBound(to: Float.self)
        x.0.store(column)
        x.1.store(column + 64)
        x.2.store(column + 128)
        x.3.store(column + 192)
        d += 4
      }
      j += 16
    }
  }

  /// Quantises `rows` into pairs in `value`, one scale for each channel.
  @inline(__always)
  func packValues(_ count: Int) {
    let count = (count + 15) & ~15
    var d = 0
    while d < padded {
      var maxima = Lanes()
      var j = 0
      while j < count {
        maxima = Lanes(rows + j * padded + d).magnitude.max(maxima)
        j += 1
      }
      let tiny = Lanes(repeating: 1e-30)
      let steps = Lanes(repeating: 2047)
      Lanes.select(maxima, isLess: tiny, Lanes(), else: maxima / steps).store(valueScale + d)
      let inverse = Lanes.select(maxima, isLess: tiny, Lanes(), else: steps / maxima)
      j = 0
      while j < count {
        let even = IntegerLanes(rounding: Lanes(rows + j * padded + d) * inverse, limit: 2047)
        let odd = IntegerLanes(rounding: Lanes(rows + (j + 1) * padded + d) * inverse, limit: 2047)
        even.paired(odd).store(value + j / 2 * padded + d)
        j += 2
      }
      d += 16
    }
  }

  /// Scores of queries i ..< i + count with the block's keys.
  @inline(__always)
  func scores(_ i: Int, _ count: Int, _ columns: Int) {
    var j = 0
    while j < columns {
      if WideIntegerColumns.width > 1, columns - j > 16 * (WideIntegerColumns.width - 1) {
        scores(WideIntegerColumns.self, i, count, j)
        j += 16 * WideIntegerColumns.width
      } else {
        scores(IntegerColumns1.self, i, count, j)
        j += 16
      }
    }
  }

  @inline(__always)
  private func scores<C: IntegerColumns>(_: C.Type, _ i: Int, _ count: Int, _ j: Int) {
    let t = IntegerTile<C>(
      Pairs.self, start: C(), query + i * padded / 2, stride: padded / 2, rows: count, key + j, step: 256, count: padded / 2)
    let last = count - 1
    store(t.r0, i, j, 0)
    store(t.r1, i, j, last < 1 ? last : 1)
    store(t.r2, i, j, last < 2 ? last : 2)
    store(t.r3, i, j, last < 3 ? last : 3)
    store(t.r4, i, j, last < 4 ? last : 4)
    store(t.r5, i, j, last)
  }

  @inline(__always)
  private func store<C: IntegerColumns>(_ row: C, _ i: Int, _ j: Int, _ t: Int) {
    let scale = Lanes(repeating: queryScale[i + t])
    row.forEach { ($1.floats * Lanes(keyScale + j + 16 * $0) * scale).store(score + t * 64 + j + 16 * $0) }
  }

  /// Turns a tile's scores into weights; updates running maxima, corrections and sums.
  @inline(__always)
  func weights(_ a: AttentionArguments, _ first: Int, _ i: Int, _ count: Int, _ start: Int, _ columns: Int) {
    var t = 0
    while t < count {
      let seen = VectorKernels.visibleKeys(a, first + i + t) - start
      let s = score + t * 64
      var maxima = Lanes(repeating: maximum[i + t])
      if seen >= 64 {
        maxima = Lanes(s).max(Lanes(s + 16)).max(Lanes(s + 32).max(Lanes(s + 48))).max(maxima)
      } else {
        // Scores of hidden keys become −∞, so that their weights are 0 below.
        var j = 0
        while j < columns {
          let visible = AttentionFloatTiles.visibleScores(s, j, seen < columns ? seen : columns)
          visible.store(s + j)
          maxima = visible.max(maxima)
          j += 16
        }
      }
      newMaximum[t] = maxima.largest
      t += 1
    }
    powerOfTwo(Lanes(maximum + i, count: count) - Lanes(newMaximum, count: count)).store(correction)
    t = 0
    while t < count {
      let largest = Lanes(repeating: newMaximum[t] - 14)
      maximum[i + t] = newMaximum[t]
      let (s, w) = (score + t * 64, weight + t * 64)
      var total = IntegerLanes()
      if columns > 48 {
        total = weigh(s, w, largest) + weigh(s + 16, w + 16, largest) + (weigh(s + 32, w + 32, largest) + weigh(s + 48, w + 48, largest))
      } else {
        var j = 0
        while j < columns {
          total = total + weigh(s + j, w + j, largest)
          j += 16
        }
      }
      (Lanes(sum + (i + t) * 16) * Lanes(repeating: correction[t]) + total.floats).store(sum + (i + t) * 16)
      t += 1
    }
  }

  /// 16 weights, stored as int16 and returned.
  @inline(__always)
  private func weigh(_ scores: UnsafePointer<Float>, _ weights: UnsafeMutablePointer<Int16>, _ largest: Lanes) -> IntegerLanes {
    let integers = IntegerLanes(bitsOf: powerOfTwo(Lanes(scores) - largest) + roundingShift, minus: roundingShift)
    integers.storeLowWords(weights)
    return integers
  }

  /// output ← output · correction + weights · values for queries i ..< i + count.
  @inline(__always)
  func outputs(_ i: Int, _ count: Int, _ columns: Int) {
    var d = 0
    while d < padded {
      if WideIntegerColumns.width > 1, padded - d >= 16 * WideIntegerColumns.width {
        outputs(WideIntegerColumns.self, i, count, columns, d)
        d += 16 * WideIntegerColumns.width
      } else {
        outputs(IntegerColumns1.self, i, count, columns, d)
        d += 16
      }
    }
  }

  @inline(__always)
  private func outputs<C: IntegerColumns>(_: C.Type, _ i: Int, _ count: Int, _ columns: Int, _ d: Int) {
    let pairs = UnsafeRawPointer(weight).assumingMemoryBound(to: Int32.self)
    let t = IntegerTile<C>(Pairs.self, start: C(), pairs, stride: 32, rows: count, value + d, step: padded * 4, count: (columns + 15) / 16 * 8)
    add(t.r0, i, d, 0)
    if count > 1 { add(t.r1, i, d, 1) }
    if count > 2 { add(t.r2, i, d, 2) }
    if count > 3 { add(t.r3, i, d, 3) }
    if count > 4 { add(t.r4, i, d, 4) }
    if count > 5 { add(t.r5, i, d, 5) }
  }

  @inline(__always)
  private func add<C: IntegerColumns>(_ row: C, _ i: Int, _ d: Int, _ t: Int) {
    let factor = Lanes(repeating: correction[t])
    row.forEach {
      let p = output + (i + t) * padded + d + 16 * $0
      (Lanes(p) * factor).addingProduct($1.floats, Lanes(valueScale + d + 16 * $0)).store(p)
    }
  }

  @inline(__always)
  func finish(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int) {
    guard let destination = a.output else { return }
    var i = 0
    while i < count {
      let inverse = Lanes(repeating: VectorKernels.visibleKeys(a, first + i) > 0 ? 1 / Lanes(sum + i * 16).sum : 0)
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
