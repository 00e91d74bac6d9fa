// SPDX-License-Identifier: Apache-2.0

/// One row of pixels while a shape is filled: what every part of the shape adds, written to the bitmap once.
struct RowCoverage {
  /// Change of the count of parts from each pixel to the next one; one more than the row has pixels.
  private var changes: [Int32]
  /// Pixels at which the count may change.
  private var first: Int
  private var last = -1

  init(width: Int) {
    changes = Array(repeating: 0, count: width + 1)
    first = width
  }

  private var width: Int { changes.count - 1 }

  /// Counts the pixels from `low` to `high` once more, as far as they lie in the row.
  mutating func add(_ low: Int, _ high: Int) {
    let (low, end) = (max(low, 0), min(high, width - 1) + 1)
    guard low < end else { return }
    changes[low] += 1
    changes[end] -= 1
    (first, last) = (min(first, low), max(last, end))
  }

  /// Counts the pixels from `low` on once more.
  mutating func add(from low: Int) {
    let low = min(max(low, 0), width)
    changes[low] += 1
    (first, last) = (min(first, low), width)
  }

  /// Sets the pixels whose count `isInside` takes, and begins a new row.
  mutating func write(to bitmap: Bitmap, row y: Int, _ isInside: (Int32) -> Bool) {
    var count: Int32 = 0
    var start: Int?
    for x in stride(from: first, through: last, by: 1) {
      count += changes[x]
      changes[x] = 0
      let inside = x < width && isInside(count)
      if inside, start == nil { start = x }
      if !inside, let from = start {
        bitmap.set(row: y, from..<x)
        start = nil
      }
    }
    (first, last) = (width, -1)
  }
}
