// SPDX-License-Identifier: Apache-2.0

/// Active list of a scan-line fill: the parts of a shape that meet the current row. Rows come from the top down.
struct ActiveParts {
  private let rows: [(first: Int, last: Int)]
  private let order: [Int]
  private var next = 0
  private(set) var active: [Int] = []

  /// - Parameter rows: first and last row of each part; parts without rows have `first > last`.
  init(_ rows: [(first: Int, last: Int)]) {
    self.rows = rows
    order = rows.indices.filter { rows[$0].first <= rows[$0].last }.sorted { rows[$0].first < rows[$1].first }
  }

  /// Rows that any part meets.
  var span: ClosedRange<Int>? {
    guard let top = order.first else { return nil }
    return rows[top].first...order.reduce(rows[top].last) { max($0, rows[$1].last) }
  }

  /// Advances to row `y`, below the previous one.
  mutating func advance(to y: Int) {
    active.removeAll { rows[$0].last < y }
    while next < order.count, rows[order[next]].first <= y {
      if rows[order[next]].last >= y { active.append(order[next]) }
      next += 1
    }
  }
}
