// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A dense row-major f32 matrix `[rows, columns]` that is only read: a table of the weights, or the memory of a `Tensor`.
///
/// It keeps the store or the arena that owns the memory.
package struct TensorView {
  package let data: UnsafePointer<Float>
  package let rows, columns: Int
  private let owner: AnyObject?

  /// - Parameter owner: nil: the caller keeps the memory.
  package init(data: UnsafePointer<Float>, rows: Int, columns: Int, owner: AnyObject? = nil) {
    assert(rows >= 0 && columns >= 0)
    self.data = data
    self.rows = rows
    self.columns = columns
    self.owner = owner
  }

  package var count: Int { rows &* columns }

  /// Start of a row.
  package subscript(row: Int) -> UnsafePointer<Float> {
    assert(row >= 0 && row <= rows)
    return data + row &* columns
  }

  /// The same memory, fewer rows.
  package func slice(rows range: Range<Int>) -> TensorView {
    assert(range.lowerBound >= 0 && range.upperBound <= rows)
    return TensorView(data: data + range.lowerBound &* columns, rows: range.count, columns: columns, owner: owner)
  }
}

extension Tensor {
  /// The same memory, to be read only.
  package var view: TensorView { TensorView(data: UnsafePointer(data), rows: rows, columns: columns, owner: owner) }
}

extension Weights {
  /// A plain tensor of shape `[rows, columns]` (stored as f32 or f16).
  package func view(_ leaf: String, rows: Int, columns: Int) throws(WeightFileError) -> TensorView {
    TensorView(data: try table(leaf, shape: [rows, columns]), rows: rows, columns: columns, owner: store)
  }

  /// A plain vector of `count` values as a matrix of one row.
  package func row(_ leaf: String, count: Int) throws(WeightFileError) -> TensorView {
    TensorView(data: try vector(leaf, count: count), rows: 1, columns: count, owner: store)
  }
}
