// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)
import Shims

/// A single query: keys are turned to columns in registers, values read where they are. Bound by how fast both come.
extension AttentionScratch {
  /// One block of `count` keys for query `first`.
  @inline(__always)
  func oneQuery(
    _ a: AttentionArguments, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ offset: Int, _ first: Int, _ start: Int, _ count: Int
  ) {
    let isHalf = a.isHalf != 0
    let size = isHalf ? 2 : 4
    let stride = a.tokenStride * size
    let begin = (start * a.tokenStride + offset) * size
    let isWhole = headSize & 15 == 0
    if isWhole, count == 64 {
      scoresInPlace(keys + begin, stride, isHalf)
    } else {
      packRows(keys, a, offset, start, count)
      transposeKeys(count)
      var j = 0
      while j < count {
        var row = Columns1()
        accumulate(&row, query, key + j, stride: 64, step: 256, count: headSize, isHalf: false)
        row.forEach { $1.store(score + j + 16 * $0) }
        j += 16
      }
    }
    weights(a, first, 0, 1, start, count)
    if isWhole {
      outputInPlace(values + begin, stride, count, isHalf)
    } else {
      packRows(values, a, offset, start, count)
      outputInPlace(value, padded * 4, count, false)
    }
  }

  /// Scores with 64 keys `stride` bytes apart; headSize is a multiple of 16.
  @inline(__always)
  private func scoresInPlace(_ keys: UnsafeRawPointer, _ stride: Int, _ isHalf: Bool) {
    var j = 0
    while j < 64 {
      var (s0, s1) = (Lanes(), Lanes())
      let p0 = keys + j * stride
      let p1 = p0 + 16 * stride
      var d = 0
      if isHalf {
        while d < headSize {
          prefetch(p1 + 16 * stride, stride, d / 8)
          // Pairs of f16 are turned as 32-bit columns.
          let (x, y) = (transposed(p0 + d * 2, stride), transposed(p1 + d * 2, stride))
          addPairs(&s0, x, query + d)
          addPairs(&s1, y, query + d)
          d += 8
        }
      } else {
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

  /// output ← output · correction + weights · the `count` rows at `values`.
  @inline(__always)
  private func outputInPlace(_ values: UnsafeRawPointer, _ stride: Int, _ count: Int, _ isHalf: Bool) {
    let factor = Lanes(repeating: correction[0])
    let size = isHalf ? 2 : 4
    var d = 0
    while d < padded {
      if padded - d >= 64 {
        column(Columns4.self, values + d * size, d, factor, stride, count, isHalf)
        d += 64
      } else {
        column(Columns1.self, values + d * size, d, factor, stride, count, isHalf)
        d += 16
      }
    }
  }

  @inline(__always)
  private func column<C: Columns>(
    _: C.Type, _ values: UnsafeRawPointer, _ d: Int, _ factor: Lanes, _ stride: Int, _ count: Int, _ isHalf: Bool
  ) {
    var row = C(output + d, stride: 64, isHalf: false)
    row.multiply(factor)
    if isHalf {
      accumulate(&row, score, values, stride: 32, step: stride, count: count, isHalf: true)
    } else {
      accumulate(&row, score, values, stride: 64, step: stride, count: count, isHalf: false)
    }
    row.forEach { $1.store(output + d + 16 * $0) }
  }
}
#endif
