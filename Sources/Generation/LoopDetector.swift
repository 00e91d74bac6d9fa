// SPDX-License-Identifier: Apache-2.0

/// Tells when an answer has begun to repeat itself. A value: answers that part take a copy each.
struct LoopCounter {
  private let length: Int
  /// For each period p, how many consecutive newest tokens equal the one p before them.
  private var matches: [Int]

  /// - Parameter length: tokens that must repeat one sequence, four times or more, to count as a loop; below 4: off.
  init(_ length: Int) {
    self.length = length
    matches = Array(repeating: 0, count: max(length, 0) / 4 + 1)
  }

  /// Counts a token; true when `ids` and it end in a loop.
  mutating func loops(_ ids: [Int32], then id: Int32) -> Bool {
    guard length >= 4 else { return false }
    var found = false
    for period in 1..<matches.count {
      matches[period] = ids.count >= period && ids[ids.count - period] == id ? matches[period] + 1 : 0
      if matches[period] + period >= length { found = true }
    }
    return found
  }
}

/// Ends an answer that has begun to repeat itself.
package final class LoopDetector: StopRule {
  private var counter: LoopCounter
  private var ids: [Int32] = []

  /// - Parameter length: tokens that must repeat one sequence, four times or more, to count as a loop; below 4: off.
  package init(_ length: Int) { counter = LoopCounter(length) }

  package func endsAfter(_ id: Int32, _ piece: [UInt8]) -> StopReason? {
    defer { ids.append(id) }
    return counter.loops(ids, then: id) ? .loop : nil
  }
}
