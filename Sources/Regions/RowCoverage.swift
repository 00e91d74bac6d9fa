// SPDX-License-Identifier: Apache-2.0

/// Coverage counts of one row in a scan-line fill, written to the bitmap once.
struct RowCoverage {
  /// Difference array: entry i is the change of the count at pixel i; `width + 1` entries.
  private var changes: [Int32]
  /// Range of entries that may be nonzero.
  private var first: Int
  private var last = -1

  init(width: Int) {
    changes = Array(repeating: 0, count: width + 1)
    first = width
  }

  private var width: Int { changes.count - 1 }

  /// Adds 1 to the pixels `low` … `high`, clipped to the row.
  mutating func add(_ low: Int, _ high: Int) {
    let (low, end) = (max(low, 0), min(high, width - 1) + 1)
    guard low < end else { return }
    changes[low] += 1
    changes[end] -= 1
    (first, last) = (min(first, low), max(last, end))
  }

  /// Adds 1 to the pixels from `low` on.
  mutating func add(from low: Int) {
    let low = min(max(low, 0), width)
    changes[low] += 1
    (first, last) = (min(first, low), width)
  }

  /// Sets the pixels whose count satisfies `isInside`, and clears the counts.
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
