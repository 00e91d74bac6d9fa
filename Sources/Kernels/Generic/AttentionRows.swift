// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

/// What float and integer attention share.
extension VectorKernels {
  /// Copies `count` rows of keys or values to `rows`, headSize rounded up to 16 wide, widened to f32 (int8 without their scales), and zeros up to a multiple of 16 rows.
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
      // Rows of many heads stand far apart, often in one set of the cache and each on its own page: ask for them early. Rows of one head follow
      // each other: the next block's come in order while this one is used.
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
      while d < headSize {  // zeros stand behind the last
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

  /// Adds `factor` times the grid's bias to the scores `[rows][64]` of queries from `first` on with `count` keys from `start` on.
  @inline(__always)
  static func addBias(
    _ a: AttentionArguments, _ head: Int, _ first: Int, _ rows: Int, _ start: Int, _ count: Int, factor: Float,
    to scores: UnsafeMutablePointer<Float>
  ) {
    guard let rowBias = a.rowBias, let columnBias = a.columnBias, a.gridWidth > 0 else { return }
    let width = Int(a.gridWidth)
    var t = 0
    while t < rows {
      let offset = (first + t) * a.biasStride + head * a.biasHeadStride
      var row = rowBias + offset + start / width
      let columns = columnBias + offset
      var column = start % width
      var j = 0
      while j < count {  // runs of neighbours in one row of the grid
        var run = width - column < count - j ? width - column : count - j
        run = run < 16 ? run : 16
        let p = scores + t * 64 + j
        let bias = Lanes(repeating: row.pointee) + Lanes(columns + column, count: run)
        Lanes(p, count: run).addingProduct(bias, Lanes(repeating: factor)).store(p, count: run)
        j += run
        column += run
        if column == width {
          column = 0
          row += 1
        }
      }
      t += 1
    }
  }

  /// `factor` times the grid's bias `[rows][64]` of queries from `first` on with `count` keys from `start` on, and up to 15 floats behind each.
  @inline(__always)
  static func gatherBias(
    _ a: AttentionArguments, _ head: Int, _ first: Int, _ rows: Int, _ start: Int, _ count: Int, factor: Float,
    to bias: UnsafeMutablePointer<Float>
  ) {
    guard let rowBias = a.rowBias, let columnBias = a.columnBias, a.gridWidth > 0 else { return }
    let (width, factor) = (Int(a.gridWidth), Lanes(repeating: factor))
    var t = 0
    while t < rows {
      let offset = (first + t) * a.biasStride + head * a.biasHeadStride
      var row = rowBias + offset + start / width
      let columns = columnBias + offset
      var column = start % width
      var j = 0
      while j < count {  // each run writes 16: what is too much the next one overwrites
        let left = width - column
        let bias16 = left < 16 ? Lanes(columns + column, count: left) : Lanes(columns + column)
        ((Lanes(repeating: row.pointee) + bias16) * factor).store(bias + t * 64 + j)
        let run = left < 16 ? left : 16
        j += run
        column += run
        if column == width {
          column = 0
          row += 1
        }
      }
      t += 1
    }
  }

  /// How many keys query `i` sees.
  @inline(__always)
  static func visibleKeys(_ a: AttentionArguments, _ i: Int) -> Int {
    if a.causalStart < 0 { return Int(a.keys) }
    let seen = Int(a.causalStart) + i + 1
    return seen < Int(a.keys) ? seen : Int(a.keys)
  }
}
#endif
