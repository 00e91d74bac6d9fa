// SPDX-License-Identifier: Apache-2.0

/// Parses UTF-8 JSON, with Python's `NaN` and `Infinity`. Nesting is limited, so that input cannot overflow the stack.
struct JSONParser {
  private let bytes: UnsafeRawBufferPointer
  private let file: String
  private var position = 0
  private static let maximumDepth = 128

  /// - Throws: `.malformed` naming `file` and the offset.
  static func parse(_ bytes: UnsafeRawBufferPointer, file: String) throws -> JSONValue {
    var parser = JSONParser(bytes: bytes, file: file)
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { parser.position = 3 }
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.position == bytes.count else { throw parser.error("text after the value") }
    return value
  }

  private init(bytes: UnsafeRawBufferPointer, file: String) {
    self.bytes = bytes
    self.file = file
  }

  private func error(_ what: String) -> ConversionError { .malformed(file: file, detail: "JSON, offset \(position): \(what)") }
  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let c = current, c == 0x20 || c == 0x0A || c == 0x0D || c == 0x09 { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) throws {
    skipSpace()
    guard current == UInt8(character.value) else { throw error("expected \(character)") }
    position += 1
  }

  private mutating func takeIf(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard current == UInt8(character.value) else { return false }
    position += 1
    return true
  }

  private mutating func word(_ text: StaticString, _ value: JSONValue) throws -> JSONValue {
    let count = text.utf8CodeUnitCount
    guard bytes.count - position >= count, (0..<count).allSatisfy({ bytes[position + $0] == text.utf8Start[$0] }) else {
      throw error("not a value")
    }
    position += count
    return value
  }

  private mutating func value(depth: Int) throws -> JSONValue {
    guard depth < Self.maximumDepth else { throw error("nested deeper than \(Self.maximumDepth)") }
    skipSpace()
    switch current {
    case nil: throw error("ends where a value should be")
    case UInt8(ascii: "{"):
      position += 1
      var members: [(key: String, value: JSONValue)] = []
      if takeIf("}") { return .object(members) }
      repeat {
        skipSpace()
        let key = try string()
        try take(":")
        members.append((key, try value(depth: depth + 1)))
      } while takeIf(",")
      try take("}")
      return .object(members)
    case UInt8(ascii: "["):
      position += 1
      var items: [JSONValue] = []
      if takeIf("]") { return .array(items) }
      repeat { items.append(try value(depth: depth + 1)) } while takeIf(",")
      try take("]")
      return .array(items)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "N"): return try word("NaN", .double(.nan))
    case UInt8(ascii: "I"): return try word("Infinity", .double(.infinity))
    default: return try number()
    }
  }

  private mutating func number() throws -> JSONValue {
    let start = position
    if current == UInt8(ascii: "-") {
      position += 1
      if current == UInt8(ascii: "I") { return try word("Infinity", .double(-.infinity)) }
    }
    // RFC 8259 §6: no leading zeros, digits on both sides of a point.
    var isInteger = true
    let first = current
    let whole = digits()
    guard whole > 0, whole == 1 || first != UInt8(ascii: "0") else { throw error("not a number") }
    if current == UInt8(ascii: ".") {
      position += 1
      isInteger = false
      guard digits() > 0 else { throw error("not a number") }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      position += 1
      isInteger = false
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw error("not a number") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let integer = Int64(text) { return .int(integer) }
    guard let double = Double(text) else { throw error("not a number") }
    return .double(double)
  }

  /// Skips digits; returns their number.
  private mutating func digits() -> Int {
    let start = position
    while let c = current, (0x30...0x39).contains(c) { position += 1 }
    return position - start
  }

  private mutating func string() throws -> String {
    guard current == UInt8(ascii: "\"") else { throw error("expected a string") }
    position += 1
    var text: [UInt8] = []
    while let c = current {
      position += 1
      switch c {
      case UInt8(ascii: "\""):
        guard let valid = String(validating: text, as: UTF8.self) else { throw error("a string that is not UTF-8") }
        return valid
      case UInt8(ascii: "\\"):
        guard let escape = current else { throw error("ends inside a string") }
        position += 1
        switch escape {
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
        case UInt8(ascii: "u"): text.append(contentsOf: Array(String(try escapedScalar()).utf8))
        default: throw error("unknown escape")
        }
      case 0..<0x20: throw error("a control character inside a string")
      default: text.append(c)
      }
    }
    throw error("ends inside a string")
  }

  private mutating func escapedScalar() throws -> Unicode.Scalar {
    let first = try hexadecimal()
    var code = UInt32(first)
    if (0xD800..<0xDC00).contains(first) {
      guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u") else {
        throw error("half a surrogate pair")
      }
      position += 2
      let second = try hexadecimal()
      guard (0xDC00..<0xE000).contains(second) else { throw error("half a surrogate pair") }
      code = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair") }
    return scalar
  }

  private mutating func hexadecimal() throws -> UInt16 {
    guard bytes.count - position >= 4,
      let value = UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw error("not four hexadecimal digits") }
    position += 4
    return value
  }
}
