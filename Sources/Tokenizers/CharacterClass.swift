// SPDX-License-Identifier: Apache-2.0

/// What the split patterns tell apart.
enum CharacterClass {
  /// `\p{L}`
  case letter
  /// `\p{N}`
  case number
  /// `\r` or `\n`
  case lineBreak
  /// Other `\s`
  case space
  case other

  init(_ scalar: UInt32) {
    if scalar < 0x80 {
      switch UInt8(scalar) {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): self = .letter
      case UInt8(ascii: "0")...UInt8(ascii: "9"): self = .number
      case 0x0A, 0x0D: self = .lineBreak
      case 0x09, 0x0B, 0x0C, 0x20: self = .space
      default: self = .other
      }
      return
    }
    if UTF8Scalars.isWhitespace(scalar) {
      self = .space
      return
    }
    guard let s = Unicode.Scalar(scalar) else {
      self = .other
      return
    }
    switch s.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
    case .decimalNumber, .letterNumber, .otherNumber: self = .number
    default: self = .other
    }
  }

  var isWhitespace: Bool { self == .space || self == .lineBreak }
}
