// SPDX-License-Identifier: Apache-2.0

/// Assembles single bytes into characters; invalid sequences become U+FFFD.
struct UTF8Assembler {
  enum Replacement {
    /// One U+FFFD for each byte, as sentencepiece.
    case perByte
    /// One for each maximal prefix of a character, as Python's `errors="replace"` and the Unicode standard recommend.
    case perMaximalPart
  }

  let replacement: Replacement
  /// An incomplete character.
  private var pending: [UInt8] = []

  init(_ replacement: Replacement) { self.replacement = replacement }

  mutating func append(_ byte: UInt8, to output: inout [UInt8]) {
    pending.append(byte)
    while !pending.isEmpty {
      if let (_, length) = UTF8Scalars.decode(pending, at: 0, end: pending.count) {
        output.append(contentsOf: pending[..<length])
        pending.removeFirst(length)
      } else if UTF8Scalars.isPrefix(pending) {
        return
      } else {
        // Only the newest byte can be invalid, unless it stands alone.
        output.append(contentsOf: [0xEF, 0xBF, 0xBD])
        pending.removeFirst(replacement == .perByte ? 1 : max(1, pending.count - 1))
      }
    }
  }

  /// Ends the text: an incomplete character becomes U+FFFD.
  mutating func flush(to output: inout [UInt8]) {
    guard !pending.isEmpty else { return }
    for _ in 0..<(replacement == .perByte ? pending.count : 1) { output.append(contentsOf: [0xEF, 0xBF, 0xBD]) }
    pending.removeAll(keepingCapacity: true)
  }
}
