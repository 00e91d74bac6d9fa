// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

extension VectorKernels {
  /// Copies `count` rows of keys or values to `rows`, [count, headSize rounded up to 16], widened to f32 (int8 without its scales); adds zeros up to
  /// a multiple of 16 rows.
  @inline(__always)
  static func packRows(
    _ base: UnsafeRawPointer, _ a: AttentionArguments, _ offset: Int, _ start: Int, _ count: Int, to rows: UnsafeMutablePointer<Float>
  ) {
    let headSize = Int(a.headSize)
    let padded = (headSize + 15) & ~15
    let element = Element(rows: a.rows)
    let size = element.size
    let stride = a.tokenStride * size
    let isDense = stride == headSize * size
    var source = base + (start * a.tokenStride + offset) * size
    var row = rows
    var j = 0
    while j < count {
      // Rows of many heads lie far apart, often in one cache set and each on its own page: prefetch 12 rows ahead. Rows of one head are contiguous:
      // prefetch the next block's while this one is used.
      var line = 0
      while line < headSize * size {
        if isDense {
          fovea_prefetch_second(source + 64 * stride + line)
        } else {
          fovea_prefetch(source + 12 * stride + line)
        }
        line += 64
      }
      packRow(source, row, headSize, element)
      source += stride
      row += padded
      j += 1
    }
    while j & 15 != 0 {
      var d = 0
      while d < padded {
        Lanes().store(row + d)
        d += 16
      }
      row += padded
      j += 1
    }
  }

  @inline(__always)
  private static func packRow(_ source: UnsafeRawPointer, _ row: UnsafeMutablePointer<Float>, _ headSize: Int, _ element: Element) {
    var d = 0
    switch element {
    case .int8:
      while d < headSize {  // a row is padded with zeros to a multiple of 16
        lanes(source + d, .int8).store(row + d)
        d += 16
      }
    case .float16:
      let source = source.assumingMemoryBound(to: UInt16.self)
      while d + 16 <= headSize {
        Lanes(half: source + d).store(row + d)
        d += 16
      }
      if d < headSize { Lanes(half: source + d, count: headSize - d).store(row + d) }
    case .float32:
      let source = source.assumingMemoryBound(to: Float.self)
      while d + 16 <= headSize {
        Lanes(source + d).store(row + d)
        d += 16
      }
      if d < headSize { Lanes(source + d, count: headSize - d).store(row + d) }
    }
  }
}
#endif
