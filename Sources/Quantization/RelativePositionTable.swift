// SPDX-License-Identifier: Apache-2.0

/// Relative position tables of SAM's encoder: row r of a checkpoint's is for key − query = side − 1 − r.
package enum RelativePositionTable {
  /// The table reversed, by key − query, and resized to `length` rows where it has another number: linear interpolation with half-pixel
  /// centres, as torch's `interpolate`.
  /// - Parameter values: `[rows, size]`.
  package static func byKey(_ values: [Float], size: Int, length: Int) -> [Float] {
    let rows = values.count / size
    let scale = Float(rows) / Float(length)
    var result = [Float](repeating: 0, count: length * size)
    for i in 0..<length {
      let position = max(scale * (Float(i) + 0.5) - 0.5, 0)
      let first = min(Int(position), rows - 1)
      let second = min(first + 1, rows - 1)
      let share = position - Float(first)
      let target = (length - 1 - i) * size
      for k in 0..<size { result[target + k] = values[first * size + k] * (1 - share) + values[second * size + k] * share }
    }
    return result
  }
}
