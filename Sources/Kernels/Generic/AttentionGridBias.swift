// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

extension VectorKernels {
  /// Adds `factor` times the relative position bias to the scores `[rows][64]` of queries from `first` on with `count` keys from `start` on.
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

  /// `factor` times the relative position bias, `[rows][64]`, of queries from `first` on with `count` keys from `start` on. Up to 15 floats past
  /// `count` are overwritten in each row.
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
      while j < count {  // each run writes 16 values, the next one overwrites the surplus
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
}
#endif
