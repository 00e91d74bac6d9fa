// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Embedding table: rows of a packed matrix, looked up by id.
package struct Embedding {
  private let weight: PackedMatrix

  package var count: Int { weight.layout.outputs }
  package var size: Int { weight.layout.inputs }

  /// - Parameter w: leaf `weight`, packed `[count, size]`.
  package init(_ w: Weights, count: Int, size: Int) throws(WeightFileError) {
    weight = try w.matrix("weight", outputs: count, inputs: size, for: .rows)
  }

  /// The same matrix as a tied LM head: `[tokens, size]` → `[tokens, count]`.
  package var linear: Linear {
    weight.store.note(weight.data, .head)
    return Linear(weight)
  }

  /// - Parameters:
  ///   - ids: rows to look up, each in `0..<count`, else `tokenOutOfRange`.
  ///   - y: `[ids.count, size]`, overwritten.
  package func callAsFunction(_ ids: UnsafeBufferPointer<Int32>, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    guard y.columns == size else { throw .shape(operation: "embedding output", expected: size, found: y.columns) }
    guard y.rows == ids.count else { throw .shape(operation: "embedding rows", expected: ids.count, found: y.rows) }
    for id in ids where id < 0 || Int(id) >= count { throw .tokenOutOfRange(id: Int(id), count: count) }
    ctx.pager?.willReadRows(of: weight.data, ids.count)
    ctx.split(rows: ids.count, cost: size) { rows in
      for row in rows { weight.layout.readRow(Int(ids[row]), from: weight.data, into: y[row]) }
    }
  }
}
