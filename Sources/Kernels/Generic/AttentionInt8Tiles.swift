// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// Attention with 8-bit integers: quads of int8 where the instruction set multiplies those, else pairs of int16; one quad or pair to an int32.
/// All row-major, `padded` = headSize rounded up to 16, `columns` = padded / 4 or padded / 2.
struct AttentionInt8Tiles: AttentionTiles {
  let headSize, padded: Int
  /// [64, padded]: keys or values before quantisation.
  let rows: UnsafeMutablePointer<Float>
  /// [columns, 64]: the block's keys, one column each.
  let key: UnsafeMutablePointer<Int32>
  /// [64]: −`quadOffset` · the sum of a key.
  let keyOffset: UnsafeMutablePointer<Int32>
  /// [64 / inLane, padded]: the block's values. The order of keys in quads or pairs is set by `packValues` and must match `weights`.
  let value: UnsafeMutablePointer<Int32>
  /// [padded] where `weightOffset` ≠ 0, else nothing: `weightOffset` · the sum of a channel's values.
  let valueOffset: UnsafeMutablePointer<Int32>
  /// [64], [padded]: quantisation scales.
  let keyScale, valueScale: UnsafeMutablePointer<Float>
  /// [32]: dither, added to the block's weights before truncation, two int16 in one: of keys i and 32 + i, then of 16 + i and 48 + i.
  let dither: UnsafeMutablePointer<Int32>
  /// [6, 64] and 16 more: relative position bias of one tile's scores.
  let bias: UnsafeMutablePointer<Float>
  /// [6, 64]: scores of one tile of queries.
  let score: UnsafeMutablePointer<Float>
  /// [6, 64 / inLane]: their weights.
  let weight: UnsafeMutablePointer<Int32>
  /// [queries, columns], quads biased by `quadOffset`.
  let query: UnsafeMutablePointer<Int32>
  /// [queries, padded]: running outputs.
  let output: UnsafeMutablePointer<Float>
  /// [queries, 16]: running sums of weights.
  let sum: UnsafeMutablePointer<Float>
  /// [queries rounded up to 16]: quantisation scale · attention scale · log₂ e; the score that weights are relative to.
  let queryScale, reference: UnsafeMutablePointer<Float>
  /// [16] each, for one tile: the block's largest scores, the factors of its weights, the factors that rescale earlier sums.
  let largest, factor, correction: UnsafeMutablePointer<Float>

  /// 8-bit integers in an int32: 4 or 2.
  @inline(__always) static var inLane: Int { Int8Product.inLane }

  /// Size of `valueOffset`.
  @inline(__always) private static func valueOffsets(_ padded: Int) -> Int { IntegerLanes.weightOffset == 0 ? 0 : padded }

  private static func blockFloats(_ padded: Int) -> Int {
    64 * padded + 2 * (64 / inLane) * padded + 64 + 64 + padded + valueOffsets(padded) + 32 + 6 * 64 + 16 + 6 * 64 + 6 * 64 / inLane + 3 * 16
  }

  private static func queryFloats(_ padded: Int) -> Int { padded / inLane + padded + 16 + 2 }

  /// How many queries to take at a time: equal parts, multiples of 6, that fit into 256 KiB with one block of keys.
  static func queries(headSize: Int, _ count: Int) -> Int {
    let padded = (headSize + 15) & ~15
    let most = ((64 << 10) - blockFloats(padded) - 32) / queryFloats(padded) / 6 * 6
    let parts = (count + most - 1) / most
    let part = ((count + parts - 1) / parts + 5) / 6 * 6
    return part < count ? part : count
  }

  static func floats(headSize: Int, queries: Int) -> Int {
    let padded = (headSize + 15) & ~15
    return blockFloats(padded) + queries * queryFloats(padded) + 32
  }

  @inline(__always)
  init(_ memory: UnsafeMutablePointer<Float>, headSize: Int, queries: Int) {
    func integers(_ p: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Int32> { UnsafeMutableRawPointer(p).assumingMemoryBound(to: Int32.self) }
    func floats(_ p: UnsafeMutablePointer<Int32>) -> UnsafeMutablePointer<Float> { UnsafeMutableRawPointer(p).assumingMemoryBound(to: Float.self) }
    let lanes = 64 / Self.inLane
    self.headSize = headSize
    padded = (headSize + 15) & ~15
    rows = memory
    key = integers(rows + 64 * padded)
    value = key + lanes * padded
    keyOffset = value + lanes * padded
    valueOffset = keyOffset + 64
    keyScale = floats(valueOffset + Self.valueOffsets(padded))
    valueScale = keyScale + 64
    dither = integers(valueScale + padded)
    bias = floats(dither + 32)
    score = bias + 6 * 64 + 16
    weight = integers(score + 6 * 64)
    largest = floats(weight + 6 * lanes)
    factor = largest + 16
    correction = factor + 16
    output = correction + 16
    sum = output + queries * padded
    query = integers(sum + queries * 16)
    queryScale = floats(query + queries * padded / Self.inLane)
    reference = queryScale + ((queries + 15) & ~15)
  }

  /// Quads or pairs of a query or key.
  @inline(__always) var columns: Int { padded / Self.inLane }

  @inline(__always) static var packsHiddenKeys: Bool { true }

  @inline(__always)
  func pack(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock) {
    VectorKernels.packRows(keys, a, block.offset(a), block.start, block.count, to: rows)
    packKeys(block.count)
    VectorKernels.packRows(values, a, block.offset(a), block.start, block.count, to: rows)
    packValues(block.start, block.count)
  }

  @inline(__always)
  func add(_ a: AttentionArguments, _ block: AttentionBlock, _ first: Int, _ i: Int, _ rows: Int, _ seen: Int) {
    scores(a, block.head, first, i, rows, block.start, seen)
    weights(a, first, i, rows, block.start, block.count)
    outputs(i, rows, block.count)
  }

  @inline(__always)
  func begin(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int) {
    guard let source = a.query else { return }
    var i = 0
    while i < count {
      reference[i] = -.infinity
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
      queryScale[i] = round(row, plus: IntegerLanes.quadOffset, to: UnsafeMutableRawPointer(query + i * columns)) * (a.scale * log2e)
      d = 0
      while d < padded {
        Lanes().store(row + d)
        d += 16
      }
      i += 1
    }
  }

  /// Quantises a row of `padded` values to pairs, or to quads with `offset` added; returns the quantisation scale.
  @inline(__always)
  private func round(_ x: UnsafePointer<Float>, plus offset: Int32, to row: UnsafeMutableRawPointer) -> Float {
    var maxima = Lanes()
    var d = 0
    while d < padded {
      maxima = Lanes(x + d).magnitude.max(maxima)
      d += 16
    }
    let largest = maxima.largest
    let isZero = largest < 1e-30
    let inverse = Lanes(repeating: isZero ? 0 : 127 / largest)
    d = 0
    while d < padded {
      let integers = IntegerLanes(rounding: Lanes(x + d) * inverse, limit: 127)
      if Self.inLane == 4 {
        (integers + IntegerLanes(repeating: offset)).storeLowBytes(row.assumingMemoryBound(to: Int8.self) + d)
      } else {
        integers.storeLowWords(row.assumingMemoryBound(to: Int16.self) + d)
      }
      d += 16
    }
    return isZero ? 0 : largest / 127
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
        keyScale[j + r] = round(row, plus: 0, to: UnsafeMutableRawPointer(row))
        r += 1
      }
      var d = 0
      while d < columns {
        let x = transposed(rows + j * padded + d, padded * 4)
        let column = UnsafeMutableRawPointer(key + d * 64 + j).assumingMemoryBound(to: Float.self)
        x.0.store(column)
        x.1.store(column + 64)
        x.2.store(column + 128)
        x.3.store(column + 192)
        d += 4
      }
      var sums = IntegerLanes()
      d = 0
      while IntegerLanes.quadOffset != 0, d < columns {
        sums = Int8Product.adding(sums, IntegerLanes(key + d * 64 + j), Int8Product.repeating(IntegerLanes.quadOffset))
        d += 1
      }
      (IntegerLanes() - sums).store(keyOffset + j)
      j += 16
    }
  }

  /// Whether a block is so small that its weights and values are stored in the order of keys, not interleaved.
  @inline(__always)
  func isFew(_ block: Int) -> Bool { block <= 16 }

  /// Quantises `rows` into `value`, one scale for each channel. Keys i, 16 + i, 32 + i and 48 + i are stored together; in a small block keys
  /// 4i … 4i + 3. Also sets the block's `dither`.
  @inline(__always)
  func packValues(_ start: Int, _ block: Int) {
    var j = (block + 15) & ~15
    let known = j
    while block > 16, j < 64 {
      var d = 0
      while d < padded {
        Lanes().store(rows + j * padded + d)
        d += 16
      }
      j += 1
    }
    var d = 0
    while d < padded {
      var maxima = Lanes()
      j = 0
      while j < known {
        maxima = Lanes(rows + j * padded + d).magnitude.max(maxima)
        j += 1
      }
      let tiny = Lanes(repeating: 1e-30)
      let steps = Lanes(repeating: 127)
      Lanes.select(maxima, isLess: tiny, Lanes(), else: maxima / steps).store(valueScale + d)
      let inverse = Lanes.select(maxima, isLess: tiny, Lanes(), else: steps / maxima)
      let (count, near, far) = isFew(block) ? (4, padded, 4 * padded) : (16, 16 * padded, padded)
      var source = UnsafePointer(rows + d)
      var target = value + d
      j = 0
      while j < count {
        IntegerLanes.storeBytes(
          IntegerLanes(rounding: Lanes(source) * inverse, limit: 127),
          IntegerLanes(rounding: Lanes(source + near) * inverse, limit: 127),
          IntegerLanes(rounding: Lanes(source + 2 * near) * inverse, limit: 127),
          IntegerLanes(rounding: Lanes(source + 3 * near) * inverse, limit: 127), to: target, step: near)
        source += far
        target += isFew(block) ? 4 / Self.inLane * padded : padded
        j += 1
      }
      if IntegerLanes.weightOffset != 0 { sumValues(d, block) }
      d += 16
    }
    j = 0
    while j < 16 {
      func word(_ j: Int) -> Int32 { Int32(truncatingIfNeeded: (start + j) &* 159 & 255) }
      dither[j] = word(j) | word(j + 32) &<< 16
      dither[j + 16] = word(j + 16) | word(j + 48) &<< 16
      j += 1
    }
  }

  /// `valueOffset` of 16 channels from `d` on.
  @inline(__always)
  private func sumValues(_ d: Int, _ block: Int) {
    let half = Int8Product.repeating(IntegerLanes.weightOffset / 2)  // 128 does not fit an int8
    var sums = IntegerLanes()
    var k = 0
    while k < quadsOfKeys(block) {
      let values = IntegerLanes(value + k * padded + d)
      sums = Int8Product.adding(Int8Product.adding(sums, values, half), values, half)
      k += 1
    }
    sums.store(valueOffset + d)
  }

  /// Quads or pairs of a channel's values.
  @inline(__always)
  func quadsOfKeys(_ block: Int) -> Int { (isFew(block) ? 16 : 64) / Self.inLane }
}
#endif
