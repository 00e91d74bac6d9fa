// SPDX-License-Identifier: Apache-2.0

/// UTF-8 decoding by hand: the tokenizers work on bytes and report byte offsets.
enum UTF8Scalars {
  /// The scalar that begins at `text[position]` and its length in bytes; nil where the bytes are not UTF-8 (truncated,
  /// overlong, surrogate or past U+10FFFF). `position < end`.
  static func decode(_ text: [UInt8], at position: Int, end: Int) -> (scalar: UInt32, length: Int)? {
    let a = UInt32(text[position])
    if a < 0x80 { return (a, 1) }
    let length = expectedLength(text[position])
    guard length > 0, position + length <= end else { return nil }
    var scalar = a & (0x7F >> UInt32(length))
    for i in 1..<length {
      let b = UInt32(text[position + i])
      guard b & 0xC0 == 0x80 else { return nil }
      scalar = scalar << 6 | b & 0x3F
    }
    switch length {
    case 2: return (scalar, 2)
    case 3: return scalar >= 0x800 && !(0xD800...0xDFFF).contains(scalar) ? (scalar, 3) : nil
    default: return (0x10000...0x10FFFF).contains(scalar) ? (scalar, 4) : nil
    }
  }

  /// The scalar at `text[position]` of a text already known to be UTF-8.
  static func next(_ text: [UInt8], at position: Int) -> (scalar: UInt32, length: Int) {
    decode(text, at: position, end: text.count) ?? (0xFFFD, 1)
  }

  /// Length in bytes of the sequence with lead byte `byte`; 0 where it is no lead byte.
  static func expectedLength(_ byte: UInt8) -> Int {
    switch byte {
    case 0..<0x80: 1
    case 0xC2..<0xE0: 2
    case 0xE0..<0xF0: 3
    case 0xF0..<0xF5: 4
    default: 0
    }
  }

  /// Offset of the first byte sequence in `text[range]` that is not UTF-8.
  static func firstInvalid(_ text: [UInt8], _ range: Range<Int>) -> Int? {
    var i = range.lowerBound
    while i < range.upperBound {
      guard let (_, length) = decode(text, at: i, end: range.upperBound) else { return i }
      i += length
    }
    return nil
  }

  /// Whether `pending` (1 to 3 bytes) is a prefix of some character.
  static func isPrefix(_ pending: [UInt8]) -> Bool {
    guard let lead = pending.first, pending.count < expectedLength(lead) else { return false }
    guard pending.count > 1 else { return true }
    let second = pending[1]
    let allowed: ClosedRange<UInt8> =
      switch lead {
      case 0xE0: 0xA0...0xBF
      case 0xED: 0x80...0x9F
      case 0xF0: 0x90...0xBF
      case 0xF4: 0x80...0x8F
      default: 0x80...0xBF
      }
    return allowed.contains(second) && (pending.count < 3 || pending[2] & 0xC0 == 0x80)
  }

  /// Unicode property White_Space: what `\s` means in the split patterns and what `strip` removes.
  static func isWhitespace(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }
}
