// SPDX-License-Identifier: Apache-2.0

/// A dense row-major f32 matrix `[rows, columns]`: a view of an `Arena`'s memory.
///
/// It keeps the arena, so the memory stays mapped; but the arena hands it out again once an earlier mark is released.
package struct Tensor {
  package let data: UnsafeMutablePointer<Float>
  package let rows: Int
  package let columns: Int
  let owner: Arena?

  /// - Parameter owner: nil: the caller keeps the memory.
  package init(data: UnsafeMutablePointer<Float>, rows: Int, columns: Int, owner: Arena? = nil) {
    assert(rows >= 0 && columns >= 0)
    self.data = data
    self.rows = rows
    self.columns = columns
    self.owner = owner
  }

  package var count: Int { rows &* columns }

  /// Start of a row.
  package subscript(row: Int) -> UnsafeMutablePointer<Float> {
    assert(row >= 0 && row <= rows)
    return data + row &* columns
  }

  /// The same memory, fewer rows.
  package func slice(rows range: Range<Int>) -> Tensor {
    assert(range.lowerBound >= 0 && range.upperBound <= rows)
    return Tensor(data: data + range.lowerBound &* columns, rows: range.count, columns: columns, owner: owner)
  }

  /// The same memory as `[rows, columns]`; the number of values stays.
  package func reshaped(_ rows: Int, _ columns: Int) -> Tensor {
    assert(rows &* columns == count)
    return Tensor(data: data, rows: rows, columns: columns, owner: owner)
  }
}
