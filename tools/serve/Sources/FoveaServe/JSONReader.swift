// SPDX-License-Identifier: Apache-2.0

/// A strict JSON parser (RFC 8259).
struct JSONReader {
  struct Failure: Error {
    let message: String
  }

  /// Maximum nesting of arrays and objects. Real schemas nest a few tens deep.
  static let deepest = 128

  private let bytes: UnsafeRawBufferPointer
  private var place = 0

  private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  static func read(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> JSON {
    var reader = JSONReader(bytes)
    let value = try reader.value(depth: 0)
    reader.skipBlanks()
    guard reader.place == bytes.count else { throw reader.failure("there is more after the value") }
    return value
  }

  static func read(_ text: String) throws(Failure) -> JSON {
    let bytes = Array(text.utf8)
    let result: Result<JSON, Failure> = bytes.withUnsafeBytes { bytes in
      do throws(Failure) { return .success(try read(bytes)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  private func failure(_ what: String) -> Failure { Failure(message: "not valid JSON: \(what), at byte \(place)") }
  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func skipBlanks() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { place += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    place += 1
    return true
  }

  private mutating func value(depth: Int) throws(Failure) -> JSON {
    skipBlanks()
    guard let next else { throw failure("it ends early") }
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw failure("a value was expected")
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSON) throws(Failure) -> JSON {
    let length = word.utf8CodeUnitCount
    guard place + length <= bytes.count, (0..<length).allSatisfy({ bytes[place + $0] == word.utf8Start[$0] }) else {
      throw failure("a value was expected")
    }
    place += length
    return value
  }

  private mutating func object(depth: Int) throws(Failure) -> JSON {
    guard depth < Self.deepest else { throw failure("more than \(Self.deepest) levels") }
    place += 1
    var members: [JSON.Member] = []
    skipBlanks()
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipBlanks()
      guard next == UInt8(ascii: "\"") else { throw failure("a member's name was expected") }
      let name = try string()
      skipBlanks()
      guard take(UInt8(ascii: ":")) else { throw failure("a colon was expected") }
      members.append(JSON.Member(name: name, value: try value(depth: depth + 1)))
      skipBlanks()
      if take(UInt8(ascii: "}")) { return .object(members) }
      guard take(UInt8(ascii: ",")) else { throw failure("a comma or a closing brace was expected") }
    }
  }

  private mutating func array(depth: Int) throws(Failure) -> JSON {
    guard depth < Self.deepest else { throw failure("more than \(Self.deepest) levels") }
    place += 1
    var values: [JSON] = []
    skipBlanks()
    if take(UInt8(ascii: "]")) { return .array(values) }
    while true {
      values.append(try value(depth: depth + 1))
      skipBlanks()
      if take(UInt8(ascii: "]")) { return .array(values) }
      guard take(UInt8(ascii: ",")) else { throw failure("a comma or a closing bracket was expected") }
    }
  }

  private mutating func number() throws(Failure) -> JSON {
    let start = place
    func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }
    _ = take(UInt8(ascii: "-"))
    guard isDigit(next) else { throw failure("a digit was expected") }
    if !take(UInt8(ascii: "0")) { while isDigit(next) { place += 1 } }
    if take(UInt8(ascii: ".")) {
      guard isDigit(next) else { throw failure("a digit was expected") }
      while isDigit(next) { place += 1 }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard isDigit(next) else { throw failure("a digit was expected") }
      while isDigit(next) { place += 1 }
    }
    guard place - start <= 64 else { throw failure("a number of more than 64 characters") }
    let text = String(decoding: bytes[start..<place], as: UTF8.self)
    guard let value = Double(text), value.isFinite else { throw failure("a number that is out of range") }
    return .number(value, text: text)
  }

  private mutating func string() throws(Failure) -> String {
    place += 1
    var start = place
    var text = ""
    while true {
      guard let byte = next else { throw failure("a string does not end") }
      if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
        place += 1
        continue
      }
      guard byte >= 0x20 else { throw failure("a control character in a string") }
      guard let piece = String(validating: bytes[start..<place], as: UTF8.self) else { throw failure("a string that is not UTF-8") }
      if text.isEmpty { text = piece } else { text += piece }
      place += 1
      if byte == UInt8(ascii: "\"") { return text }
      text.unicodeScalars.append(try escape())
      start = place
    }
  }

  /// The rest of an escape, after the backslash.
  private mutating func escape() throws(Failure) -> Unicode.Scalar {
    guard let byte = next else { throw failure("a string does not end") }
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let first = try unit()
      guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
      let end = place
      guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), case let second = try unit(), (0xDC00..<0xE000).contains(second) else {
        place = end  // half a pair; what follows it stands for itself
        return "\u{FFFD}"
      }
      return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) ?? "\u{FFFD}"
    default: throw failure("an unknown escape")
    }
  }

  private mutating func unit() throws(Failure) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw failure("four hexadecimal digits were expected") }
      value = value << 4 + UInt32(digit)
      place += 1
    }
    return value
  }
}
