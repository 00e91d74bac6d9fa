// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// Working memory of `attentionBytes` for some queries and one block of 64 keys, and the steps on it. Numbers of 8 bits stand in quads of
/// int8 where instructions multiply those, else in pairs of int16, one quad or pair to an int32.
/// All row-major, `padded` = headSize rounded up to 16, `columns` = padded / 4 or padded / 2.
struct AttentionBytes {
  let headSize, padded: Int
  /// [64, padded]: keys or values before they are rounded.
  let rows: UnsafeMutablePointer<Float>
  /// [columns, 64]: the block's keys, one column each.
  let key: UnsafeMutablePointer<Int32>
  /// [64]: −`quadOffset` · the sum of a key.
  let keyOffset: UnsafeMutablePointer<Int32>
  /// [64 / inLane, padded]: the block's values; which keys share a quad or pair is `packValues`' and `weights`' business.
  let value: UnsafeMutablePointer<Int32>
  /// [padded] if weights are stored less `weightOffset`, else nothing: `weightOffset` · the sum of a channel's values.
  let valueOffset: UnsafeMutablePointer<Int32>
  /// [64], [padded]: the value of one step.
  let keyScale, valueScale: UnsafeMutablePointer<Float>
  /// [32]: what is added to the weights of the block before they are cut, two int16 in one: those of keys i and 32 + i, then 16 + i and 48 + i.
  let dither: UnsafeMutablePointer<Int32>
  /// [6, 64] and 16 more: what the grid adds to scores of one tile.
  let bias: UnsafeMutablePointer<Float>
  /// [6, 64]: scores of one tile of queries.
  let score: UnsafeMutablePointer<Float>
  /// [6, 64 / inLane]: their weights.
  let weight: UnsafeMutablePointer<Int32>
  /// [queries, columns], quads stored + `quadOffset`.
  let query: UnsafeMutablePointer<Int32>
  /// [queries, padded]: running outputs.
  let output: UnsafeMutablePointer<Float>
  /// [queries, 16]: running sums of weights.
  let sum: UnsafeMutablePointer<Float>
  /// [queries]: the value of one step times the scale of scores; what weights are relative to, up to a multiple of 16.
  let queryScale, reference: UnsafeMutablePointer<Float>
  /// [16] each, of one tile: the block's largest scores, factors of its weights and of what was summed before.
  let largest, factor, correction: UnsafeMutablePointer<Float>

  /// Numbers in an int32.
  @inline(__always) static var inLane: Int { IntegerLanes.multipliesQuads ? 4 : 2 }

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
  @inline(__always) private var columns: Int { padded / Self.inLane }

  @inline(__always)
  func begin(_ a: AttentionArguments, _ head: Int, _ first: Int, _ count: Int) {
    guard let source = a.query else { return }
    var i = 0
    while i < count {
      reference[i] = -.infinity
      Lanes().store(sum + i * 16)
      let q = source + (first + i) * a.queryStride + head * headSize
      var line = 0
      while line < headSize {  // as in packRows
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

  /// A row of `padded` values to pairs, or to quads with `offset` added; returns the value of one step.
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
      if IntegerLanes.multipliesQuads {
        (integers + IntegerLanes(repeating: offset)).storeLowBytes(row.assumingMemoryBound(to: Int8.self) + d)
      } else {
        integers.storeLowWords(row.assumingMemoryBound(to: Int16.self) + d)
      }
      d += 16
    }
    return isZero ? 0 : largest / 127
  }

  /// Rounds `rows` to columns of `key`; what is left of the last 16 columns becomes zeros.
  @inline(__always)
  func packKeys(_ count: Int) {
    var j = 0
    while j < count {
      // Rounded in place: a row's integers take the first part of its own floats.
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
        sums = sums.addingQuads(IntegerLanes(key + d * 64 + j), IntegerLanes(repeating: IntegerLanes.quadOffset &* 0x0101_0101))
        d += 1
      }
      (IntegerLanes() - sums).store(keyOffset + j)
      j += 16
    }
  }

  /// Whether the weights of so few keys stand one after the other, as their values then do.
  @inline(__always)
  private func isFew(_ block: Int) -> Bool { block <= 16 }

  /// Rounds `rows` to `value`, each column by its own scale: keys i, 16 + i, 32 + i and 48 + i together, where there are few 4i … 4i + 3.
  /// Sets the block's `dither`, too.
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
    let half = IntegerLanes(repeating: IntegerLanes.weightOffset / 2 &* 0x0101_0101)  // the whole may not fit an int8
    var sums = IntegerLanes()
    var k = 0
    while k < quadsOfKeys(block) {
      let values = IntegerLanes(value + k * padded + d)
      sums = sums.addingQuads(values, half).addingQuads(values, half)
      k += 1
    }
    sums.store(valueOffset + d)
  }

  /// Quads or pairs of a channel's values.
  @inline(__always)
  private func quadsOfKeys(_ block: Int) -> Int { (isFew(block) ? 16 : 64) / Self.inLane }

  /// Scores of queries i ..< i + count with `seen` keys of the block: in steps of the query, but with the grid's bias in units of ln 2.
  @inline(__always)
  func scores(_ a: AttentionArguments, _ head: Int, _ first: Int, _ i: Int, _ count: Int, _ start: Int, _ seen: Int) {
    let isBiased = a.rowBias != nil
    if isBiased { VectorKernels.gatherBias(a, head, first + i, count, start, seen, factor: log2e, to: bias) }
    var j = 0
    while j < seen {
      if WideIntegerColumns.width > 1, seen - j > 16 * (WideIntegerColumns.width - 1) {
        scores(WideIntegerColumns.self, i, count, j, isBiased)
        j += 16 * WideIntegerColumns.width
      } else {
        scores(IntegerColumns1.self, i, count, j, isBiased)
        j += 16
      }
    }
  }

  @inline(__always)
  private func scores<C: IntegerColumns>(_: C.Type, _ i: Int, _ count: Int, _ j: Int, _ isBiased: Bool) {
    let (start, a) = (C(keyOffset + j), query + i * columns)
    let t =
      IntegerLanes.multipliesQuads
      ? IntegerTile<C>(Quads.self, start: start, a, stride: columns, rows: count, key + j, step: 256, count: columns)
      : IntegerTile<C>(Pairs.self, start: start, a, stride: columns, rows: count, key + j, step: 256, count: columns)
    if isBiased {
      let last = count - 1
      storeBiased(t.r0, i, j, 0)
      storeBiased(t.r1, i, j, last < 1 ? last : 1)
      storeBiased(t.r2, i, j, last < 2 ? last : 2)
      storeBiased(t.r3, i, j, last < 3 ? last : 3)
      storeBiased(t.r4, i, j, last < 4 ? last : 4)
      storeBiased(t.r5, i, j, last)
    } else {
      store(t.r0, j, 0)
      store(t.r1, j, 1)
      store(t.r2, j, 2)
      store(t.r3, j, 3)
      store(t.r4, j, 4)
      store(t.r5, j, 5)
    }
  }

  @inline(__always)
  private func store<C: IntegerColumns>(_ row: C, _ j: Int, _ t: Int) {
    row.forEach { ($1.floats * Lanes(keyScale + j + 16 * $0)).store(score + t * 64 + j + 16 * $0) }
  }

  @inline(__always)
  private func storeBiased<C: IntegerColumns>(_ row: C, _ i: Int, _ j: Int, _ t: Int) {
    let scale = Lanes(repeating: queryScale[i + t])
    row.forEach {
      let place = t * 64 + j + 16 * $0
      Lanes(bias + place).addingProduct($1.floats * Lanes(keyScale + j + 16 * $0), scale).store(score + place)
    }
  }

  /// Scores of a tile to weights; the factors of the block's products, sums.
  @inline(__always)
  func weights(_ a: AttentionArguments, _ first: Int, _ i: Int, _ count: Int, _ start: Int, _ block: Int) {
    var t = 0
    while t < count {
      let seen = VectorKernels.visibleKeys(a, first + i + t) - start
      let s = score + t * 64
      if seen >= 64 {
        largest[t] = Lanes(s).max(Lanes(s + 16)).max(Lanes(s + 32).max(Lanes(s + 48))).largest
      } else {
        // Unseen scores become −∞ here, their weights 0 below.
        let visible = seen < block ? seen : block
        var maxima = Lanes(repeating: -.infinity)
        var j = 0
        while j < (isFew(block) ? 16 : 64) {
          let known = AttentionScratch.visibleScores(s, j, visible)
          known.store(s + j)
          maxima = known.max(maxima)
          j += 16
        }
        largest[t] = maxima.largest
      }
      t += 1
    }
    let step = a.rowBias == nil ? Lanes(queryScale + i, count: count) : Lanes(repeating: 1)
    let (top, before) = (Lanes(largest, count: count) * step, Lanes(reference + i, count: count))
    let after = Lanes.select(before + Lanes(repeating: 64), isLess: top, top, else: before)
    after.store(reference + i, count: count)
    powerOfTwo(top - after).store(factor)
    // Nothing was summed before the first.
    if Lanes.select(Lanes(repeating: -.greatestFiniteMagnitude), isLess: before, after - before, else: Lanes()).largest > 0 {
      powerOfTwo(before - after).store(correction)
      rescale(i, count)
    }
    let (base, limit) = (Lanes(repeating: 8_388_608), Lanes(repeating: 8_388_608 + 65_535))
    t = 0
    while t < count {
      let (s, w) = (UnsafePointer(score + t * 64), weight + t * (64 / Self.inLane))
      let (top, slope) = (Lanes(repeating: largest[t]), Lanes(repeating: a.rowBias == nil ? queryScale[i + t] * -4096 : -4096))
      @inline(__always) func fixed(_ j: Int) -> Lanes { base.addingProduct(Lanes(s + j) - top, slope).min(limit) }
      let total =
        isFew(block)
        ? IntegerLanes.storeWeights(fixed(0), dither: dither, to: w)
        : IntegerLanes.storeWeights(fixed(0), fixed(16), fixed(32), fixed(48), dither: dither, to: w)
      let lanes = sum + (i + t) * 16
      Lanes(lanes).addingProduct(total.floats, Lanes(repeating: factor[t])).store(lanes)
      t += 1
    }
  }

  /// Multiplies the outputs and sums of queries i ..< i + count with their corrections. Rarely needed.
  @inline(never)
  private func rescale(_ i: Int, _ count: Int) {
    var t = 0
    while t < count {
      let factor = Lanes(repeating: correction[t])
      var d = 0
      while d < padded {
        let o = output + (i + t) * padded + d
        (Lanes(o) * factor).store(o)
        d += 16
      }
      (Lanes(sum + (i + t) * 16) * factor).store(sum + (i + t) * 16)
      t += 1
    }
  }

  /// output ← output + factor · weights · values for queries i ..< i + count.
  @inline(__always)
  func outputs(_ i: Int, _ count: Int, _ block: Int) {
    var d = 0
    while d < padded {
      if WideIntegerColumns.width > 1, padded - d >= 16 * WideIntegerColumns.width {
        outputs(WideIntegerColumns.self, i, count, block, d)
        d += 16 * WideIntegerColumns.width
      } else {
        outputs(IntegerColumns1.self, i, count, block, d)
        d += 16
      }
    }
  }

  @inline(__always)
  private func outputs<C: IntegerColumns>(_: C.Type, _ i: Int, _ count: Int, _ block: Int, _ d: Int) {
    let (lanes, k) = (64 / Self.inLane, quadsOfKeys(block))
    let start = IntegerLanes.weightOffset == 0 ? C() : C(valueOffset + d)
    let t =
      IntegerLanes.multipliesQuads
      ? IntegerTile<C>(Quads.self, start: start, weight, stride: lanes, rows: count, value + d, step: padded * 4, count: k)
      : IntegerTile<C>(Pairs.self, start: start, weight, stride: lanes, rows: count, value + d, step: padded * 4, count: k)
    add(t.r0, i, d, 0)
    if count > 1 { add(t.r1, i, d, 1) }
    if count > 2 { add(t.r2, i, d, 2) }
    if count > 3 { add(t.r3, i, d, 3) }
    if count > 4 { add(t.r4, i, d, 4) }
    if count > 5 { add(t.r5, i, d, 5) }
  }

  @inline(__always)
  private func add<C: IntegerColumns>(_ row: C, _ i: Int, _ d: Int, _ t: Int) {
    let factor = Lanes(repeating: factor[t])
    row.forEach {
      let p = output + (i + t) * padded + d + 16 * $0
      Lanes(p).addingProduct($1.floats, Lanes(valueScale + d + 16 * $0) * factor).store(p)
    }
  }

  /// Divides by the sums of weights and writes the outputs; zeros for a query that saw no key.
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
