// SPDX-License-Identifier: Apache-2.0

/// The character classes of the split patterns. Each character has exactly one of the single classes; the last three are unions.
struct CharacterClass: OptionSet {
  let rawValue: UInt16

  /// `\p{Lu}` or `\p{Lt}`
  static var upper: Self { Self(rawValue: 1) }
  /// `\p{Ll}`
  static var lower: Self { Self(rawValue: 2) }
  /// `\p{Lm}` or `\p{Lo}`
  static var caseless: Self { Self(rawValue: 4) }
  /// `\p{M}`
  static var mark: Self { Self(rawValue: 8) }
  /// `\p{N}`
  static var number: Self { Self(rawValue: 16) }
  /// `\p{P}`
  static var punctuation: Self { Self(rawValue: 32) }
  /// `\p{S}`
  static var symbol: Self { Self(rawValue: 64) }
  /// `\r` or `\n`
  static var lineBreak: Self { Self(rawValue: 128) }
  /// Other `\s`
  static var blank: Self { Self(rawValue: 256) }
  /// Control and format characters, and what is not assigned.
  static var other: Self { Self(rawValue: 512) }

  /// `\p{L}`
  static var letter: Self { [.upper, .lower, .caseless] }
  /// `\s`
  static var whitespace: Self { [.lineBreak, .blank] }
  /// `[^\s\p{L}\p{N}]`
  static var rest: Self { [.mark, .punctuation, .symbol, .other] }

  init(rawValue: UInt16) { self.rawValue = rawValue }

  init(_ scalar: UInt32) {
    if scalar < 0x80 {
      switch UInt8(scalar) {
      case UInt8(ascii: "a")...UInt8(ascii: "z"): self = .lower
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): self = .upper
      case UInt8(ascii: "0")...UInt8(ascii: "9"): self = .number
      case 0x0A, 0x0D: self = .lineBreak
      case 0x09, 0x0B, 0x0C, 0x20: self = .blank
      case UInt8(ascii: "$"), UInt8(ascii: "+"), UInt8(ascii: "<"), UInt8(ascii: "="), UInt8(ascii: ">"), UInt8(ascii: "^"), UInt8(ascii: "`"),
        UInt8(ascii: "|"), UInt8(ascii: "~"):
        self = .symbol
      case 0x00...0x1F, 0x7F: self = .other
      default: self = .punctuation
      }
      return
    }
    guard !UTF8Scalars.isWhitespace(scalar), let s = Unicode.Scalar(scalar) else {
      self = UTF8Scalars.isWhitespace(scalar) ? .blank : .other
      return
    }
    switch s.properties.generalCategory {
    case .uppercaseLetter, .titlecaseLetter: self = .upper
    case .lowercaseLetter: self = .lower
    case .modifierLetter, .otherLetter: self = .caseless
    case .nonspacingMark, .spacingMark, .enclosingMark: self = .mark
    case .decimalNumber, .letterNumber, .otherNumber: self = .number
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
      .otherPunctuation:
      self = .punctuation
    case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: self = .symbol
    default: self = .other
    }
  }

  /// The class of the character at `text[position]` of a UTF-8 text, and its length in bytes.
  static func next(_ text: [UInt8], _ position: Int) -> (kind: CharacterClass, length: Int) {
    let (scalar, length) = UTF8Scalars.next(text, at: position)
    return (CharacterClass(scalar), length)
  }

  /// End of the run of characters of this class that begins at `start`; at most `limit` characters.
  func endOfRun(_ text: [UInt8], _ start: Int, _ end: Int, limit: Int = .max) -> Int {
    var (i, count) = (start, 0)
    while i < end, count < limit {
      let c = Self.next(text, i)
      guard contains(c.kind) else { break }
      i += c.length
      count += 1
    }
    return i
  }
}
