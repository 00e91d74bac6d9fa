// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// A single query: keys are turned to columns in registers, values read where they are. Bound by how fast both come.
extension AttentionScratch {
  /// Scores of query 0 with a block of `count` keys from `start` on.
  @inline(__always)
  func oneScore(_ a: AttentionArguments, _ keys: UnsafeRawPointer, _ offset: Int, _ start: Int, _ count: Int) {
    let element = Element(rows: a.rows)
    if headSize & 15 == 0, count == 64 {
      scoresInPlace(keys + (start * a.tokenStride + offset) * element.size, a.tokenStride * element.size, element)
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
  @inline(__always)
  func oneOutput(_ a: AttentionArguments, _ values: UnsafeRawPointer, _ offset: Int, _ start: Int, _ count: Int) {
    if headSize & 15 == 0 {
      let element = Element(rows: a.rows)
      outputInPlace(values + (start * a.tokenStride + offset) * element.size, a.tokenStride * element.size, count, element)
    } else {
      packRows(values, a, offset, start, count)
      outputInPlace(value, padded * 4, count, .float32)
    }
  }

  /// Scores with 64 keys `stride` bytes apart; headSize is a multiple of 16.
  @inline(__always)
  private func scoresInPlace(_ keys: UnsafeRawPointer, _ stride: Int, _ element: Element) {
    var j = 0
    while j < 64 {
      var (s0, s1) = (Lanes(), Lanes())
      let p0 = keys + j * stride
      let p1 = p0 + 16 * stride
      var d = 0
      switch element {
      case .int8:
        while d < headSize {
          prefetch(p1 + 16 * stride, stride, d / 16)
          // Fours of int8 are turned as 32-bit columns.
          let (x, y) = (transposed(p0 + d, stride), transposed(p1 + d, stride))
          addFours(&s0, x, query + d)
          addFours(&s1, y, query + d)
          d += 16
        }
      case .float16:
        while d < headSize {
          prefetch(p1 + 16 * stride, stride, d / 8)
          // Pairs of f16 are turned as 32-bit columns.
          let (x, y) = (transposed(p0 + d * 2, stride), transposed(p1 + d * 2, stride))
          addPairs(&s0, x, query + d)
          addPairs(&s1, y, query + d)
          d += 8
        }
      case .float32:
        while d < headSize {
          prefetch(p1 + 16 * stride, stride, d / 4)
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

  /// In four steps asks for one cache line of each of the next 32 rows: 16 bytes of a row are used a step.
  @inline(__always)
  private func prefetch(_ rows: UnsafeRawPointer, _ stride: Int, _ step: Int) {
    let p = rows + (step & 3) * 8 * stride + (step >> 2) * 64
    var i = 0
    while i < 8 {  // unrolled
      fovea_prefetch(p + i * stride)
      i += 1
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
  private func outputInPlace(_ values: UnsafeRawPointer, _ stride: Int, _ count: Int, _ element: Element) {
    let factor = Lanes(repeating: correction[0])
    var d = 0
    while d < padded {
      if padded - d >= 64 {
        column(Columns4.self, values + d * element.size, d, factor, stride, count, element)
        d += 64
      } else {
        column(Columns1.self, values + d * element.size, d, factor, stride, count, element)
        d += 16
      }
    }
  }

  @inline(__always)
  private func column<C: Columns>(
    _: C.Type, _ values: UnsafeRawPointer, _ d: Int, _ factor: Lanes, _ stride: Int, _ count: Int, _ element: Element
  ) {
    var row = C(output + d, stride: 64, .float32)
    row.multiply(factor)
    switch element {
    case .int8: accumulate(&row, score, values, stride: 16, step: stride, count: count, .int8)
    case .float16: accumulate(&row, score, values, stride: 32, step: stride, count: count, .float16)
    case .float32: accumulate(&row, score, values, stride: 64, step: stride, count: count, .float32)
    }
    row.forEach { $1.store(output + d + 16 * $0) }
  }
}
#endif
