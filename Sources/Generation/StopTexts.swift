// SPDX-License-Identifier: Apache-2.0

/// Watches a growing answer for texts that end it, and holds back bytes that may be the start of one.
package final class StopTexts: StopRule {
  private let stops: [[UInt8]]
  /// The text released so far, then the bytes held back.
  package private(set) var text: [UInt8] = []
  private var released = 0
  package private(set) var isFound = false

  package init(_ stops: [[UInt8]]) {
    self.stops = stops.filter { !$0.isEmpty }
  }

  package func endsAfter(_ id: Int32, _ piece: [UInt8]) -> StopReason? { isFound ? .stopText : nil }

  /// Appends bytes; returns those that certainly belong to the answer.
  package func append(_ bytes: [UInt8]) -> [UInt8] {
    guard !isFound else { return [] }
    // A stop text that ends in the new bytes began at most its own length before them.
    let longest = stops.reduce(0) { max($0, $1.count) }
    let start = max(released, text.count - longest + 1)
    text += bytes
    var cut: Int?
    for stop in stops where text.count >= stop.count {
      for at in stride(from: start, through: text.count - stop.count, by: 1)
      where text[at..<at + stop.count].elementsEqual(stop) {
        cut = min(cut ?? at, at)
        break
      }
    }
    if let cut {
      isFound = true
      text.removeLast(text.count - cut)
    }
    let end = isFound ? text.count : text.count - heldBack()
    defer { released = max(released, end) }
    return released < end ? Array(text[released..<end]) : []
  }

  /// Ends the answer: the bytes held back belong to it.
  package func finish() -> [UInt8] {
    defer { released = text.count }
    return Array(text[released...])
  }

  /// Length of the longest suffix that is a prefix of a stop text.
  private func heldBack() -> Int {
    var held = 0
    for stop in stops {
      for length in stride(from: min(stop.count - 1, text.count - released), to: held, by: -1)
      where text.suffix(length).elementsEqual(stop.prefix(length)) {
        held = length
        break
      }
    }
    return held
  }
}
