// SPDX-License-Identifier: Apache-2.0

/// Reads a text scalar by scalar; counts lines and columns for errors.
struct TextReader {
  let scalars: [UInt32]
  var position = 0

  /// - Parameter text: UTF-8.
  init(_ text: [UInt8]) { scalars = String(decoding: text, as: UTF8.self).unicodeScalars.map { $0.value } }

  var isAtEnd: Bool { position >= scalars.count }
  var current: UInt32? { position < scalars.count ? scalars[position] : nil }

  func peek(_ ahead: Int) -> UInt32? { position + ahead < scalars.count ? scalars[position + ahead] : nil }

  /// Whether an ASCII text follows.
  func isNext(_ text: StaticString) -> Bool {
    for i in 0..<text.utf8CodeUnitCount where peek(i) != UInt32(text.utf8Start[i]) { return false }
    return true
  }

  /// Consumes a text if it follows.
  mutating func take(_ text: StaticString) -> Bool {
    guard isNext(text) else { return false }
    position += text.utf8CodeUnitCount
    return true
  }

  func error(_ problem: String, at place: Int? = nil) -> ConstraintError {
    var (line, column) = (1, 1)
    for scalar in scalars.prefix(place ?? position) {
      if scalar == 0x0A { (line, column) = (line + 1, 1) } else { column += 1 }
    }
    return .syntax(line: line, column: column, problem: problem)
  }

  /// A decimal number; nil where none follows. Large ones become `Int.max / 16`.
  mutating func number() -> Int? {
    let start = position
    var value = 0
    while let c = current, (0x30...0x39).contains(c) {
      value = min(value * 10 + Int(c - 0x30), Int.max / 16)
      position += 1
    }
    return position > start ? value : nil
  }

  /// `count` hexadecimal digits.
  mutating func hexadecimal(_ count: Int) throws(ConstraintError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let c = current, let digit = Self.digit(c) else { throw error("\(count) hexadecimal digits are needed") }
      value = value << 4 | digit
      position += 1
    }
    return value
  }

  static func digit(_ c: UInt32) -> UInt32? {
    switch c {
    case 0x30...0x39: c - 0x30
    case 0x41...0x46: c - 0x41 + 10
    case 0x61...0x66: c - 0x61 + 10
    default: nil
    }
  }
}

/// A character as shown in messages.
func shown(_ scalar: UInt32?) -> String {
  guard let scalar, let character = Unicode.Scalar(scalar) else { return "the end" }
  return "'\(Character(character))'"
}
