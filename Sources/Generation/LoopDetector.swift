// SPDX-License-Identifier: Apache-2.0

/// Ends an answer that has begun to repeat itself.
package final class LoopDetector: StopRule {
  private let length: Int
  private var ids: [Int32] = []
  /// For each period p, how many consecutive newest tokens equal the one p before them.
  private var matches: [Int]

  /// - Parameter length: tokens that must repeat one sequence, four times or more, to count as a loop; below 4: off.
  package init(_ length: Int) {
    self.length = length
    matches = Array(repeating: 0, count: max(length, 0) / 4 + 1)
  }

  package func endsAfter(_ id: Int32, _ piece: [UInt8]) -> StopReason? {
    ids.append(id)
    guard length >= 4 else { return nil }
    var found = false
    for period in 1..<matches.count {
      matches[period] = ids.count > period && ids[ids.count - 1 - period] == id ? matches[period] + 1 : 0
      if matches[period] + period >= length { found = true }
    }
    return found ? .loop : nil
  }
}
