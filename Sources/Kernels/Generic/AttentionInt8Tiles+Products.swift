// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// Scores, weights and outputs of packed queries with a packed block.
extension AttentionInt8Tiles {
  /// Scores of queries i ..< i + count with `seen` keys of the block: in units of `queryScale`; in units of ln 2 where there is a relative position
  /// bias.
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
    let t = IntegerTile<C>(Int8Product.self, start: start, a, stride: columns, rows: count, key + j, step: 256, count: columns)
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

  /// Turns a tile's scores into weights; sets the factors of the block's products, adds to the sums.
  @inline(__always)
  func weights(_ a: AttentionArguments, _ first: Int, _ i: Int, _ count: Int, _ start: Int, _ block: Int) {
    var t = 0
    while t < count {
      let seen = VectorKernels.visibleKeys(a, first + i + t) - start
      let s = score + t * 64
      if seen >= 64 {
        largest[t] = Lanes(s).max(Lanes(s + 16)).max(Lanes(s + 32).max(Lanes(s + 48))).largest
      } else {
        // Scores of hidden keys become −∞, so that their weights are 0 below.
        let visible = seen < block ? seen : block
        var maxima = Lanes(repeating: -.infinity)
        var j = 0
        while j < (isFew(block) ? 16 : 64) {
          let known = AttentionFloatTiles.visibleScores(s, j, visible)
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
    // Before the first block (reference −∞) there is nothing to rescale.
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

  /// Multiplies the outputs and sums of queries i ..< i + count by their corrections. Rarely needed.
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
    let t = IntegerTile<C>(Int8Product.self, start: start, weight, stride: lanes, rows: count, value + d, step: padded * 4, count: k)
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
