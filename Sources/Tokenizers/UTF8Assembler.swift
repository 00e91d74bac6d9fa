// SPDX-License-Identifier: Apache-2.0

/// Puts bytes that come one at a time together to characters; what cannot become one turns into U+FFFD.
struct UTF8Assembler {
  enum Replacement {
    /// One U+FFFD for each byte, as sentencepiece.
    case perByte
    /// One for the longest start of a character, as Python's `errors="replace"` and the Unicode standard recommend.
    case perMaximalPart
  }

  let replacement: Replacement
  /// The start of a character: fewer bytes than it needs.
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
        // Only the newest byte can be what does not fit, unless it stands alone.
        output.append(contentsOf: [0xEF, 0xBF, 0xBD])
        pending.removeFirst(replacement == .perByte ? 1 : max(1, pending.count - 1))
      }
    }
  }

  /// No more bytes belong to the character begun.
  mutating func flush(to output: inout [UInt8]) {
    guard !pending.isEmpty else { return }
    for _ in 0..<(replacement == .perByte ? pending.count : 1) { output.append(contentsOf: [0xEF, 0xBF, 0xBD]) }
    pending.removeAll(keepingCapacity: true)
  }
}
