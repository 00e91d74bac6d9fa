// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// Learned vectors for the distance of two cells of a square grid, one table for rows and one for columns (decomposed relative positions,
/// arXiv:2112.01526 eq. 4; ViTDet, arXiv:2203.16527).
package struct RelativePositions {
  /// `[2·side − 1, headSize]` in f32; row r belongs to a key r − (side − 1) places after the query.
  private let rows, columns: PackedMatrix
  package let side, headSize: Int

  /// - Parameter w: leaves `rows.weight` and `columns.weight` (f32x16).
  package init(_ w: Weights, side: Int, headSize: Int) throws(WeightFileError) {
    self.side = side
    self.headSize = headSize
    rows = try RelativePositions.table(w["rows"], side: side, headSize: headSize)
    columns = try RelativePositions.table(w["columns"], side: side, headSize: headSize)
  }

  private static func table(_ w: Weights, side: Int, headSize: Int) throws(WeightFileError) -> PackedMatrix {
    let matrix = try w.matrix("weight", outputs: 2 * side - 1, inputs: headSize)
    guard matrix.layout.encoding == .f32x16 else {
      throw .encodingMismatch(
        file: w.store.file.name, tensor: w.fullName("weight"), expected: "f32x16", found: matrix.layout.encoding)
    }
    return matrix
  }

  /// Queries that one item of work takes.
  private static var tile: Int { 256 }

  /// What is added to the scores of each query: `rowBias[query, y]` for keys in row y, `columnBias[query, x]` for keys in column x.
  /// - Parameters:
  ///   - query: query i's vector of one head at `query + i·stride`.
  ///   - queries: grids of `side²` one after another.
  ///   - rowBias, columnBias: `[queries, side]`.
  func bias(
    query: UnsafePointer<Float>, stride: Int, queries: Int, rowBias: UnsafeMutablePointer<Float>,
    columnBias: UnsafeMutablePointer<Float>, _ ctx: Context
  ) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let distances = 2 &* side - 1
    let products = try ctx.arena.tensor(2 &* queries, distances)
    let tiles = (queries - 1) / RelativePositions.tile + 1
    let (side, rows, columns) = (side, rows, columns)
    ctx.pool.run(2 &* tiles) { item in
      let isColumn = item >= tiles
      let first = item % tiles &* RelativePositions.tile
      let end = min(first &+ RelativePositions.tile, queries)
      let matrix = isColumn ? columns : rows
      let y = products.data + (isColumn ? queries &* distances : 0)
      var arguments = LinearArguments()
      arguments.weights = matrix.data.assumingMemoryBound(to: UInt8.self)
      arguments.blockStride = matrix.layout.blockStride
      arguments.inputs = Int64(matrix.layout.inputs)
      arguments.outputs = Int64(distances)
      arguments.xFloat = query
      arguments.xStride = stride
      arguments.y = y
      arguments.yStride = distances
      withUnsafePointer(to: arguments) { ctx.kernels.linearF32($0, 0, matrix.layout.blocks, first, end) }
      let target = isColumn ? columnBias : rowBias
      for i in first..<end {
        let place = isColumn ? i % side : i / side % side
        (target + i &* side).update(from: y + (i &* distances &+ side &- 1 &- place), count: side)
      }
    }
  }
}

/// Most bytes of biases kept at once; heads are computed in groups.
private let biasShare = 16 << 20

/// Softmax(q·kᵀ / √headSize + row bias + column bias)·v within each of `batch` grids; the biases come from the unscaled q.
/// No matrix of queries × keys is built.
/// - Parameter qkv: heads of q, of k, of v; `batch·side²` rows, grids row by row.
/// - Returns: `[batch·side², heads·headSize]`.
package func gridAttention(qkv: HeadRows, batch: Int, positions: RelativePositions, _ ctx: Context) throws(RuntimeError) -> Tensor {
  let (side, headSize) = (positions.side, qkv.headSize)
  let n = side &* side
  guard qkv.heads > 0, qkv.heads % 3 == 0 else { throw .shape(operation: "grid attention heads", expected: 3, found: qkv.heads) }
  guard batch > 0, qkv.rows == batch &* n else { throw .shape(operation: "grid attention rows", expected: batch &* n, found: qkv.rows) }
  guard headSize == positions.headSize, headSize <= largestHeadSize else {
    throw .shape(operation: "attention head size", expected: positions.headSize, found: headSize)
  }
  let heads = qkv.heads / 3
  let y = try ctx.arena.tensor(qkv.rows, heads &* headSize)
  let mark = ctx.arena.mark()
  defer { ctx.arena.release(to: mark) }

  let headStride = qkv.rows &* side
  let parts = (heads &* headStride &* 8 - 1) / biasShare + 1
  let group = max(1, (heads - 1) / parts + 1)
  let rowBias = try ctx.arena.tensor(group &* qkv.rows, side).data
  let columnBias = try ctx.arena.tensor(group &* qkv.rows, side).data
  var first = 0
  while first < heads {
    let count = min(group, heads - first)
    for head in 0..<count {
      try positions.bias(
        query: qkv[first + head], stride: headSize, queries: qkv.rows, rowBias: rowBias + head &* headStride,
        columnBias: columnBias + head &* headStride, ctx)
    }
    let grids = (0..<batch &* count).map { i in
      let (grid, head) = (i / count, i % count)
      var a = qkv.arguments(slice: grid, of: batch, head: first + head, to: y, column: (first + head) &* headSize)
      let start = head &* headStride &+ grid &* n &* side
      a.rowBias = UnsafePointer(rowBias + start)
      a.columnBias = UnsafePointer(columnBias + start)
      a.biasStride = side
      a.gridWidth = Int64(side)
      return a
    }
    run(grids, queries: n, heads: 1, AttentionArithmetic(allowsIntegers: ctx.integerAttention, headSize: headSize, queries: n), ctx)
    first += count
  }
  return y
}
