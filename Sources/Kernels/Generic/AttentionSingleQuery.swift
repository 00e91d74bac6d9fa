// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// A single query: keys are transposed in registers, values read in place. Bound by reading both: while one block of keys or values is used,
/// the lines of the next one are prefetched in order.
extension AttentionFloatTiles {
  /// Adds a block to the output of query `first`, the only one.
  @inline(__always)
  func visitAlone(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ block: AttentionBlock, _ first: Int) {
    let (offset, start, count) = (block.offset(a), block.start, block.count)
    let scales = block.keyHead * a.scaleStride + start
    oneScore(a, keys, values, offset, start, count)
    if let keyScale = a.keyScale { scaleScores(keyScale + scales, 1, count) }
    weights(a, first, 0, 1, start, count)
    if let valueScale = a.valueScale { scaleScores(valueScale + scales, 1, count) }
    let more = block.visible - start - count
    oneOutput(a, keys, values, offset, start, count, more: more < 64 ? more : 64)
  }

  /// Scores of query 0 with a block of `count` keys from `start` on.
  @inline(__always)
  private func oneScore(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ offset: Int, _ start: Int, _ count: Int) {
    let element = Element(rows: a.rows)
    if headSize & 15 == 0, count == 64 {
      let place = (start * a.tokenStride + offset) * element.size
      var next = Stream(values + place, a, element, rows: 64)
      scoresInPlace(keys + place, a.tokenStride * element.size, element, &next)
    } else {
      packRows(keys, a, offset, start, count)
      transposeKeys(count)
      var j = 0
      while j < count {
        var row = Columns1()
        accumulate(&row, query, key + j, stride: 64, step: 256, count: headSize, .float32)
        row.forEach { $1.store(score + j + 16 * $0) }
        j += 16
      }
    }
  }

  /// output ← output · correction + weights · the block's values.
  /// - Parameter more: keys after this block, at most 64.
  @inline(__always)
  private func oneOutput(
    _ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ offset: Int, _ start: Int, _ count: Int, more: Int
  ) {
    let element = Element(rows: a.rows)
    var next = Stream(keys + ((start + 64) * a.tokenStride + offset) * element.size, a, element, rows: more)
    if headSize & 15 == 0 {
      outputInPlace(values + (start * a.tokenStride + offset) * element.size, a.tokenStride * element.size, count, element, &next)
    } else {
      packRows(values, a, offset, start, count)
      outputInPlace(value, padded * 4, count, .float32, &next)
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

  /// Scores with 64 keys `stride` bytes apart; headSize is a multiple of 16.
  @inline(__always)
  private func scoresInPlace(_ keys: UnsafeRawPointer, _ stride: Int, _ element: Element, _ next: inout Stream) {
    var j = 0
    while j < 64 {
      var (s0, s1) = (Lanes(), Lanes())
      let p0 = keys + j * stride
      let p1 = p0 + 16 * stride
      var d = 0
      switch element {
      case .int8:
        while d < headSize {
          next.advance(8)
          // Four int8 are transposed as one 32-bit value.
          let (x, y) = (transposed(p0 + d, stride), transposed(p1 + d, stride))
          addFours(&s0, x, query + d)
          addFours(&s1, y, query + d)
          d += 16
        }
      case .float16:
        while d < headSize {
          next.advance(8)
          // Two f16 are transposed as one 32-bit value.
          let (x, y) = (transposed(p0 + d * 2, stride), transposed(p1 + d * 2, stride))
          addPairs(&s0, x, query + d)
          addPairs(&s1, y, query + d)
          d += 8
        }
      case .float32:
        while d < headSize {
          next.advance(8)
          let (x, y) = (transposed(p0 + d * 4, stride), transposed(p1 + d * 4, stride))
          add4(&s0, x, query + d)
          add4(&s1, y, query + d)
          d += 4
        }
      }
      s0.store(score + j)
      s1.store(score + j + 16)
      j += 32
    }
  }

  @inline(__always)
  private func add4(_ s: inout Lanes, _ x: (Lanes, Lanes, Lanes, Lanes), _ q: UnsafePointer<Float>) {
    s = s.addingProduct(x.0, Lanes(repeating: q[0]))
    s = s.addingProduct(x.1, Lanes(repeating: q[1]))
    s = s.addingProduct(x.2, Lanes(repeating: q[2]))
    s = s.addingProduct(x.3, Lanes(repeating: q[3]))
  }

  @inline(__always)
  private func addPairs(_ s: inout Lanes, _ x: (Lanes, Lanes, Lanes, Lanes), _ q: UnsafePointer<Float>) {
    s = s.addingProduct(x.0.lowHalves, Lanes(repeating: q[0])).addingProduct(x.0.highHalves, Lanes(repeating: q[1]))
    s = s.addingProduct(x.1.lowHalves, Lanes(repeating: q[2])).addingProduct(x.1.highHalves, Lanes(repeating: q[3]))
    s = s.addingProduct(x.2.lowHalves, Lanes(repeating: q[4])).addingProduct(x.2.highHalves, Lanes(repeating: q[5]))
    s = s.addingProduct(x.3.lowHalves, Lanes(repeating: q[6])).addingProduct(x.3.highHalves, Lanes(repeating: q[7]))
  }

  @inline(__always)
  private func addFours(_ s: inout Lanes, _ x: (Lanes, Lanes, Lanes, Lanes), _ q: UnsafePointer<Float>) {
    addFour(&s, x.0, q)
    addFour(&s, x.1, q + 4)
    addFour(&s, x.2, q + 8)
    addFour(&s, x.3, q + 12)
  }

  @inline(__always)
  private func addFour(_ s: inout Lanes, _ x: Lanes, _ q: UnsafePointer<Float>) {
    s = s.addingProduct(x.bytes(above: 24), Lanes(repeating: q[0])).addingProduct(x.bytes(above: 16), Lanes(repeating: q[1]))
    s = s.addingProduct(x.bytes(above: 8), Lanes(repeating: q[2])).addingProduct(x.bytes(above: 0), Lanes(repeating: q[3]))
  }

  /// output ← output · correction + weights · the `count` rows at `values`.
  @inline(__always)
  private func outputInPlace(_ values: UnsafeRawPointer, _ stride: Int, _ count: Int, _ element: Element, _ next: inout Stream) {
    let factor = Lanes(repeating: correction[0])
    var d = 0
    while d < padded {
      if padded - d >= 64 {
        column(Columns4.self, values + d * element.size, d, factor, stride, count, element, &next)
        d += 64
      } else {
        column(Columns1.self, values + d * element.size, d, factor, stride, count, element, &next)
        d += 16
      }
    }
  }

  @inline(__always)
  private func column<C: Columns>(
    _: C.Type, _ values: UnsafeRawPointer, _ d: Int, _ factor: Lanes, _ stride: Int, _ count: Int, _ element: Element, _ next: inout Stream
  ) {
    var row = C(output + d, stride: 64, .float32)
    row.multiply(factor)
    switch element {
    case .int8: addRows(&row, values, stride: 16, step: stride, count, .int8, &next)
    case .float16: addRows(&row, values, stride: 32, step: stride, count, .float16, &next)
    case .float32: addRows(&row, values, stride: 64, step: stride, count, .float32, &next)
    }
    row.forEach { $1.store(output + d + 16 * $0) }
  }

  @inline(__always)
  private func addRows<C: Columns>(
    _ row: inout C, _ values: UnsafeRawPointer, stride: Int, step: Int, _ count: Int, _ element: Element, _ next: inout Stream
  ) {
    var p = values
    var k = 0
    while k < count {
      next.advance(C.width * element.size > 4 ? C.width * element.size / 4 : 1)  // the cache lines that a row of these columns spans
      row.addProduct(C(p, stride: stride, element), Lanes(repeating: score[k]))
      p += step
      k += 1
    }
  }
}
#endif
