// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// One query, or up to four with the same keys (the query heads of a key head), two at a time: keys are transposed in registers, values read in place.
/// Bound by reading both: while one block of keys or values is used, the lines of the next one are prefetched in order.
extension AttentionFloatTiles {
  /// Whether `count` queries read a block of `keys` keys in place. More of them gain from unpacking it once for all, and so does any number
  /// above one where it must be unpacked anyway.
  @inline(__always)
  func readsInPlace(_ a: AttentionArguments, queries count: Int, keys: Int) -> Bool {
    guard a.rowBias == nil else { return false }
    let most = WideColumns.width > 1 ? 4 : 3
    return count == 1 || (count <= most && a.causalStart < 0 && headSize & 15 == 0 && keys == 64)
  }

  /// Adds a block to the outputs of queries first ..< first + count.
  @inline(__always)
  func visitInPlace(
    _ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock, _ first: Int, _ count: Int
  ) {
    var i = 0
    while i < count {
      let queries = count - i < 2 ? 1 : 2
      addInPlace(a, keys, values, block, first, i, queries)
      i += queries
    }
  }

  /// Adds a block to the outputs of queries first + i ..< first + i + queries, one or two.
  @inline(__always)
  private func addInPlace(
    _ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock, _ first: Int, _ i: Int, _ queries: Int
  ) {
    let (start, count, element) = (block.start, block.count, Element(rows: a.rows))
    let (place, stride) = ((start * a.tokenStride + block.offset(a)) * element.size, a.tokenStride * element.size)
    let scales = block.keyHead * a.scaleStride + start
    if headSize & 15 == 0, count == 64 {
      var next = Stream(values + place, a, element, rows: 64)
      scores(i, queries, keys + place, stride, element, &next)
    } else {
      packRows(keys, a, block.offset(a), start, count)
      transposeKeys(count)
      scoreOfPacked(count)
    }
    if let keyScale = a.keyScale { scaleScores(keyScale + scales, queries, count) }
    weights(a, first, i, queries, start, count)
    if let valueScale = a.valueScale { scaleScores(valueScale + scales, queries, count) }
    let more = block.visible - start - count
    var next = Stream(keys + place + 64 * stride, a, element, rows: more < 64 ? more : 64)
    if headSize & 15 == 0 {
      outputs(i, queries, values + place, stride, count, element, &next)
    } else {
      packRows(values, a, block.offset(a), start, count)
      outputs(i, queries, value, padded * 4, count, .float32, &next)
    }
  }

  /// Scores of the only query with `count` keys that have been transposed.
  @inline(__always)
  private func scoreOfPacked(_ count: Int) {
    var j = 0
    while j < count {
      var row = Columns1()
      accumulate(&row, query, key + j, stride: 64, step: 256, count: headSize, .float32)
      row.forEach { $1.store(score + j + 16 * $0) }
      j += 16
    }
  }

  /// Prefetches, in order, the cache lines of the rows that are used next. Does nothing where rows are not contiguous.
  struct Stream {
    private var next: UnsafeRawPointer
    private let end: UnsafeRawPointer

    @inline(__always)
    init(_ base: UnsafeRawPointer, _ a: AttentionArguments, _ element: Element, rows: Int) {
      next = base
      end = a.tokenStride == Int(a.headSize) ? base + rows * a.tokenStride * element.size : base
    }

    /// Prefetches the next `count` lines, as far as there are any.
    @inline(__always)
    mutating func advance(_ count: Int) {
      guard next + 64 * count <= end else { return }
      var i = 0
      while i < count {  // unrolled
        fovea_prefetch_second(next + 64 * i)
        i += 1
      }
      next += 64 * count
    }
  }

  /// Scores of one or two queries with 64 keys `stride` bytes apart; headSize is a multiple of 16.
  @inline(__always)
  private func scores(_ i: Int, _ queries: Int, _ keys: UnsafeRawPointer, _ stride: Int, _ element: Element, _ next: inout Stream) {
    if queries == 1 {
      addKeys(OneQuery<Columns2>.self, query + i * padded, keys, stride, element, &next)
    } else {
      addKeys(TwoQueries<Columns2>.self, query + i * padded, keys, stride, element, &next)
    }
  }

  @inline(__always)
  private func addKeys<Sums: QueryColumns>(
    _: Sums.Type, _ query: UnsafePointer<Float>, _ keys: UnsafeRawPointer, _ stride: Int, _ element: Element, _ next: inout Stream
  ) where Sums.C == Columns2 {
    var j = 0
    while j < 64 {
      var sums = Sums()
      let p0 = keys + j * stride
      let p1 = p0 + 16 * stride
      var d = 0
      switch element {
      case .int8:
        while d < headSize {
          next.advance(8)
          // Four int8 are transposed as one 32-bit value.
          let (x, y) = (transposed(p0 + d, stride), transposed(p1 + d, stride))
          addFour(&sums, x.0, y.0, query + d)
          addFour(&sums, x.1, y.1, query + d + 4)
          addFour(&sums, x.2, y.2, query + d + 8)
          addFour(&sums, x.3, y.3, query + d + 12)
          d += 16
        }
      case .float16:
        while d < headSize {
          next.advance(8)
          // Two f16 are transposed as one 32-bit value.
          let (x, y) = (transposed(p0 + d * 2, stride), transposed(p1 + d * 2, stride))
          addPair(&sums, x.0, y.0, query + d)
          addPair(&sums, x.1, y.1, query + d + 2)
          addPair(&sums, x.2, y.2, query + d + 4)
          addPair(&sums, x.3, y.3, query + d + 6)
          d += 8
        }
      case .float32:
        while d < headSize {
          next.advance(8)
          let (x, y) = (transposed(p0 + d * 4, stride), transposed(p1 + d * 4, stride))
          sums.addProduct(Columns2(x.0, y.0), query + d, stride: padded)
          sums.addProduct(Columns2(x.1, y.1), query + d + 1, stride: padded)
          sums.addProduct(Columns2(x.2, y.2), query + d + 2, stride: padded)
          sums.addProduct(Columns2(x.3, y.3), query + d + 3, stride: padded)
          d += 4
        }
      }
      sums.store(score + j, stride: 64)
      j += 32
    }
  }

  @inline(__always)
  private func addPair<Sums: QueryColumns>(_ sums: inout Sums, _ x: Lanes, _ y: Lanes, _ q: UnsafePointer<Float>) where Sums.C == Columns2 {
    sums.addProduct(Columns2(x.lowHalves, y.lowHalves), q, stride: padded)
    sums.addProduct(Columns2(x.highHalves, y.highHalves), q + 1, stride: padded)
  }

  @inline(__always)
  private func addFour<Sums: QueryColumns>(_ sums: inout Sums, _ x: Lanes, _ y: Lanes, _ q: UnsafePointer<Float>) where Sums.C == Columns2 {
    sums.addProduct(Columns2(x.bytes(above: 24), y.bytes(above: 24)), q, stride: padded)
    sums.addProduct(Columns2(x.bytes(above: 16), y.bytes(above: 16)), q + 1, stride: padded)
    sums.addProduct(Columns2(x.bytes(above: 8), y.bytes(above: 8)), q + 2, stride: padded)
    sums.addProduct(Columns2(x.bytes(above: 0), y.bytes(above: 0)), q + 3, stride: padded)
  }

  /// output ← output · correction + weights · the `count` rows at `values`, for one or two queries.
  @inline(__always)
  private func outputs(_ i: Int, _ queries: Int, _ values: UnsafeRawPointer, _ stride: Int, _ count: Int, _ element: Element, _ next: inout Stream) {
    var d = 0
    while d < padded {
      let (left, column, sums) = (padded - d, values + d * element.size, output + i * padded + d)
      if left >= 64 {
        addValues(Columns4.self, queries, sums, column, stride, count, element, &next)
        d += 64
      } else if left >= 32 {
        addValues(Columns2.self, queries, sums, column, stride, count, element, &next)
        d += 32
      } else {
        addValues(Columns1.self, queries, sums, column, stride, count, element, &next)
        d += 16
      }
    }
  }

  @inline(__always)
  private func addValues<C: Columns>(
    _: C.Type, _ queries: Int, _ output: UnsafeMutablePointer<Float>, _ values: UnsafeRawPointer, _ stride: Int, _ count: Int, _ element: Element,
    _ next: inout Stream
  ) {
    if queries == 1 {
      addValues(OneQuery<C>.self, output, values, stride, count, element, &next)
    } else {
      addValues(TwoQueries<C>.self, output, values, stride, count, element, &next)
    }
  }

  @inline(__always)
  private func addValues<Sums: QueryColumns>(
    _: Sums.Type, _ output: UnsafeMutablePointer<Float>, _ values: UnsafeRawPointer, _ stride: Int, _ count: Int, _ element: Element,
    _ next: inout Stream
  ) {
    var sums = Sums(output, stride: padded, factors: correction)
    switch element {
    case .int8: addRows(&sums, values, stride: 16, step: stride, count, .int8, &next)
    case .float16: addRows(&sums, values, stride: 32, step: stride, count, .float16, &next)
    case .float32: addRows(&sums, values, stride: 64, step: stride, count, .float32, &next)
    }
    sums.store(output, stride: padded)
  }

  @inline(__always)
  private func addRows<Sums: QueryColumns>(
    _ sums: inout Sums, _ values: UnsafeRawPointer, stride: Int, step: Int, _ count: Int, _ element: Element, _ next: inout Stream
  ) {
    let width = Sums.C.width
    var p = values
    var k = 0
    while k < count {
      next.advance(width * element.size > 4 ? width * element.size / 4 : 1)  // the cache lines that a row of these columns spans
      sums.addProduct(Sums.C(p, stride: stride, element), score + k, stride: 64)
      p += step
      k += 1
    }
  }
}

/// Sums of queries with the same keys and values: for each, neighbouring columns held in registers.
protocol QueryColumns {
  associatedtype C: Columns
  /// Zeros.
  init()
  /// The rows at `p`, `stride` floats apart, each times its factor.
  init(_ p: UnsafePointer<Float>, stride: Int, factors: UnsafePointer<Float>)
  /// Query i: sum ← fma(w, x[i · stride], sum).
  mutating func addProduct(_ w: C, _ x: UnsafePointer<Float>, stride: Int)
  func store(_ p: UnsafeMutablePointer<Float>, stride: Int)
}

/// Of one query.
struct OneQuery<C: Columns>: QueryColumns {
  private var sum = C()

  @inline(__always) init() {}
  @inline(__always) init(_ p: UnsafePointer<Float>, stride: Int, factors: UnsafePointer<Float>) { sum = scaled(p, factors[0]) }
  @inline(__always) mutating func addProduct(_ w: C, _ x: UnsafePointer<Float>, stride: Int) { sum.addProduct(w, Lanes(repeating: x[0])) }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, stride: Int) { sum.forEach { $1.store(p + 16 * $0) } }
}

/// Of two.
struct TwoQueries<C: Columns>: QueryColumns {
  private var first = C(), second = C()

  @inline(__always) init() {}
  @inline(__always) init(_ p: UnsafePointer<Float>, stride: Int, factors: UnsafePointer<Float>) {
    first = scaled(p, factors[0])
    second = scaled(p + stride, factors[1])
  }
  @inline(__always) mutating func addProduct(_ w: C, _ x: UnsafePointer<Float>, stride: Int) {
    first.addProduct(w, Lanes(repeating: x[0]))
    second.addProduct(w, Lanes(repeating: x[stride]))
  }
  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>, stride: Int) {
    first.forEach { $1.store(p + 16 * $0) }
    second.forEach { $1.store(p + stride + 16 * $0) }
  }
}

@inline(__always)
private func scaled<C: Columns>(_ p: UnsafePointer<Float>, _ factor: Float) -> C {
  var row = C(p, stride: 64, .float32)
  row.multiply(Lanes(repeating: factor))
  return row
}
#endif
