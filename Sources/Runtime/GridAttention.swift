// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import WeightFile

/// Learned vectors for the distance of two places of a square grid, one table for rows and one for columns (decomposed relative
/// positions, arXiv:2112.01526 eq. 4; ViTDet, arXiv:2203.16527).
package struct RelativePositions {
  /// `[2·side − 1, headSize]` in f32; row r belongs to a key r − (side − 1) places behind the query.
  private let rows, columns: PackedMatrix
  package let side: Int

  /// - Parameter w: leaves `rows.weight` and `columns.weight` (f32x16).
  package init(_ w: Weights, side: Int, headSize: Int) throws(WeightFileError) {
    self.side = side
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

/// Bytes of biases that are kept at once; heads pass in groups.
private let biasShare = 16 << 20

/// Softmax(q·kᵀ / √headSize + row bias + column bias)·v within each of `batch` grids; the biases come from q as it is.
/// No matrix of queries × keys is built.
/// - Parameter qkv: `[batch·side², 3·heads·headSize]`, a row is q | k | v, grids row by row.
/// - Returns: `[batch·side², heads·headSize]`.
package func gridAttention(
  qkv: Tensor, batch: Int, heads: Int, headSize: Int, positions: RelativePositions, _ ctx: Context
) throws(RuntimeError) -> Tensor {
  let (side, size) = (positions.side, heads &* headSize)
  let n = side &* side
  guard qkv.columns == 3 &* size else { throw .shape(operation: "grid attention qkv", expected: 3 &* size, found: qkv.columns) }
  guard batch > 0, qkv.rows == batch &* n else { throw .shape(operation: "grid attention rows", expected: batch &* n, found: qkv.rows) }
  guard heads > 0, headSize > 0, headSize <= 256 else { throw .shape(operation: "attention head size", expected: 256, found: headSize) }
  let y = try ctx.arena.tensor(qkv.rows, size)
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
        query: qkv.data + (first + head) &* headSize, stride: qkv.columns, queries: qkv.rows, rowBias: rowBias + head &* headStride,
        columnBias: columnBias + head &* headStride, ctx)
    }
    let grids = (0..<batch).map { grid in
      // Only the group's heads: the kernel's head 0 is `first`.
      let q = qkv.data + (grid &* n &* qkv.columns &+ first &* headSize)
      var a = AttentionArguments()
      a.query = UnsafePointer(q)
      a.queryStride = qkv.columns
      a.key = UnsafeRawPointer(q + size)
      a.value = UnsafeRawPointer(q + 2 &* size)
      a.tokenStride = qkv.columns
      a.headStride = headSize
      a.heads = Int64(count)
      a.kvHeads = Int64(count)
      a.headSize = Int64(headSize)
      a.queries = Int64(n)
      a.keys = Int64(n)
      a.causalStart = -1
      a.scale = 1 / Float(headSize).squareRoot()
      a.output = y.data + (grid &* n &* size &+ first &* headSize)
      a.outputStride = size
      a.rowBias = UnsafePointer(rowBias + grid &* n &* side)
      a.columnBias = UnsafePointer(columnBias + grid &* n &* side)
      a.biasStride = side
      a.biasHeadStride = headStride
      a.gridWidth = Int64(side)
      return a
    }
    run(grids, queries: n, heads: count, isInteger: ctx.integerAttention && n > 1, ctx)
    first += count
  }
  return y
}
