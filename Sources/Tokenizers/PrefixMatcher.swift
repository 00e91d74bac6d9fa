// SPDX-License-Identifier: Apache-2.0

/// Finds the longest of a set of byte strings (user-defined symbols or added tokens) that is a prefix of the text at a position.
///
/// The strings are sorted; each further byte of the text narrows the interval of those that still match.
struct PrefixMatcher {
  private let strings: ByteStrings
  /// Indices into `strings` in byte order.
  private let sorted: [Int32]
  /// `starts[b] ..< starts[b + 1]` of `sorted`: the strings beginning with byte b.
  private let starts: [Int32]

  /// - Parameter members: indices into `strings`; none of these is empty.
  init(_ strings: ByteStrings, members: [Int32]) {
    self.strings = strings
    let sorted = members.sorted { strings.precedes(Int($0), Int($1)) }
    var starts = [Int32](repeating: 0, count: 257)
    for i in sorted { starts[Int(strings.bytes[strings.range(Int(i)).lowerBound]) + 1] += 1 }
    for b in 1...256 { starts[b] += starts[b - 1] }
    self.sorted = sorted
    self.starts = starts
  }

  var isEmpty: Bool { sorted.isEmpty }

  /// The longest member that `text[position ..< end]` begins with.
  func longest(_ text: [UInt8], at position: Int, end: Int) -> (index: Int32, length: Int)? {
    guard position < end else { return nil }
    var low = Int(starts[Int(text[position])])
    var high = Int(starts[Int(text[position]) + 1])
    var best: (Int32, Int)?
    var depth = 1
    while low < high {
      // The shortest string of the interval comes first, so one of length `depth` is at `low`.
      while low < high, length(low) == depth {
        best = (sorted[low], depth)
        low += 1
      }
      guard position + depth < end else { break }
      let byte = text[position + depth]
      low = firstIndex(low, high, depth) { $0 >= byte }
      high = firstIndex(low, high, depth) { $0 > byte }
      depth += 1
    }
    return best
  }

  private func length(_ i: Int) -> Int { strings.range(Int(sorted[i])).count }

  /// First index in `low ..< high` whose string's byte at `depth` satisfies `isRight`, else `high`.
  private func firstIndex(_ low: Int, _ high: Int, _ depth: Int, _ isRight: (UInt8) -> Bool) -> Int {
    var a = low
    var b = high
    while a < b {
      let middle = (a + b) / 2
      let string = strings.range(Int(sorted[middle]))
      if isRight(strings.bytes[string.lowerBound + depth]) { b = middle } else { a = middle + 1 }
    }
    return a
  }
}
