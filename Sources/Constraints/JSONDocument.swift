// SPDX-License-Identifier: Apache-2.0

/// A JSON text as a tree in one array; a value is an index. Strings are UTF-8, numbers keep their spelling.
struct JSONDocument {
  enum Value {
    case null
    case bool(Bool)
    /// Bytes of `text`.
    case number(Range<Int>)
    case string(Range<Int>)
    /// Values of `items`.
    case array(Range<Int>)
    /// Pairs of `items`: the key's string, then its value.
    case object(Range<Int>)
  }

  private(set) var values: [Value] = []
  private(set) var text: [UInt8] = []
  private(set) var items: [Int32] = []
  /// Each value's parent, and its key or index there; −1: none.
  private(set) var parents: [(value: Int32, key: Int32, index: Int32)] = []
  private(set) var root: Int32 = 0

  init(_ text: [UInt8], _ bounds: ConstraintBounds) throws(ConstraintError) {
    var reader = JSONReader(text, bounds)
    root = try reader.read(into: &self)
  }

  subscript(value: Int32) -> Value { values[Int(value)] }

  func bytes(_ range: Range<Int>) -> ArraySlice<UInt8> { text[range] }

  /// A string's bytes.
  func string(_ value: Int32) -> ArraySlice<UInt8>? {
    guard case .string(let range) = self[value] else { return nil }
    return text[range]
  }

  func elements(_ value: Int32) -> ArraySlice<Int32>? {
    guard case .array(let range) = self[value] else { return nil }
    return items[range]
  }

  /// An object's keys and values, in their order.
  func members(_ value: Int32) -> [(key: Int32, value: Int32)]? {
    guard case .object(let range) = self[value] else { return nil }
    return stride(from: range.lowerBound, to: range.upperBound, by: 2).map { (items[$0], items[$0 + 1]) }
  }

  /// An object's value under a key, the last of several.
  func member(_ value: Int32, _ key: some Collection<UInt8>) -> Int32? {
    guard case .object(let range) = self[value] else { return nil }
    for i in stride(from: range.upperBound - 2, through: range.lowerBound, by: -2) {
      if case .string(let name) = self[items[i]], text[name].elementsEqual(key) { return items[i + 1] }
    }
    return nil
  }

  func member(_ value: Int32, _ key: StaticString) -> Int32? { member(value, utf8(key)) }

  /// A value's position as a JSON pointer (RFC 6901).
  func pointer(_ value: Int32) -> String {
    var parts: [String] = []
    var here = value
    while here >= 0, parts.count <= 2 * ConstraintBounds.depthLimit {
      let (parent, key, index) = parents[Int(here)]
      if parent < 0 { break }
      if key >= 0, let name = string(key) {
        var escaped: [UInt8] = []
        for byte in name {
          switch byte {
          case 0x7E: escaped += [0x7E, 0x30]
          case 0x2F: escaped += [0x7E, 0x31]
          default: escaped.append(byte)
          }
        }
        parts.append(String(decoding: escaped, as: UTF8.self))
      } else {
        parts.append("\(index)")
      }
      here = parent
    }
    return parts.reversed().reduce("") { $0 + "/" + $1 }
  }

  // MARK: making values

  mutating func add(_ value: Value) throws(ConstraintError) -> Int32 {
    guard values.count < ConstraintBounds.nodeLimit else { throw .tooLarge("more than \(ConstraintBounds.nodeLimit) JSON values") }
    values.append(value)
    parents.append((-1, -1, -1))
    return Int32(values.count - 1)
  }

  mutating func addString(_ bytes: some Collection<UInt8>) throws(ConstraintError) -> Int32 {
    let start = text.count
    text += bytes
    return try add(.string(start..<text.count))
  }

  mutating func addNumber(_ bytes: some Collection<UInt8>) throws(ConstraintError) -> Int32 {
    let start = text.count
    text += bytes
    return try add(.number(start..<text.count))
  }

  mutating func addArray(_ elements: [Int32]) throws(ConstraintError) -> Int32 {
    let start = items.count
    items += elements
    let made = try add(.array(start..<items.count))
    for (i, element) in elements.enumerated() where parents[Int(element)].value < 0 { parents[Int(element)] = (made, -1, Int32(i)) }
    return made
  }

  mutating func addObject(_ members: [(key: Int32, value: Int32)]) throws(ConstraintError) -> Int32 {
    let start = items.count
    for (key, value) in members { items += [key, value] }
    let made = try add(.object(start..<items.count))
    for (key, value) in members where parents[Int(value)].value < 0 { parents[Int(value)] = (made, key, -1) }
    return made
  }

  /// Gives a synthesised value the position of another, for error messages.
  mutating func place(_ value: Int32, at other: Int32) { parents[Int(value)] = parents[Int(other)] }
}

// MARK: writing

extension JSONDocument {
  /// Appends a value as JSON without white space.
  func written(_ value: Int32, into out: inout [UInt8]) {
    switch self[value] {
    case .null: out += utf8("null")
    case .bool(let x): out += x ? utf8("true") : utf8("false")
    case .number(let range): out += text[range]
    case .string(let range): Self.quote(text[range], into: &out)
    case .array(let range):
      out.append(0x5B)
      for (i, item) in items[range].enumerated() {
        if i > 0 { out.append(0x2C) }
        written(item, into: &out)
      }
      out.append(0x5D)
    case .object:
      out.append(0x7B)
      for (i, member) in (members(value) ?? []).enumerated() {
        if i > 0 { out.append(0x2C) }
        written(member.key, into: &out)
        out.append(0x3A)
        written(member.value, into: &out)
      }
      out.append(0x7D)
    }
  }

  /// A text as a JSON string.
  static func quote(_ text: some Sequence<UInt8>, into out: inout [UInt8]) {
    out.append(0x22)
    for byte in text {
      switch byte {
      case 0x22, 0x5C: out += [0x5C, byte]
      case 0x0A: out += [0x5C, UInt8(ascii: "n")]
      case 0x09: out += [0x5C, UInt8(ascii: "t")]
      case 0x0D: out += [0x5C, UInt8(ascii: "r")]
      case 0..<0x20: out += utf8("\\u00") + [hexDigit(byte >> 4), hexDigit(byte & 15)]
      default: out.append(byte)
      }
    }
    out.append(0x22)
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}

// MARK: reading

/// A strict RFC 8259 reader.
private struct JSONReader {
  private let text: [UInt8]
  private let bounds: ConstraintBounds
  private var position = 0

  init(_ text: [UInt8], _ bounds: ConstraintBounds) {
    self.text = text
    self.bounds = bounds
  }

  mutating func read(into document: inout JSONDocument) throws(ConstraintError) -> Int32 {
    let root = try value(&document, depth: 0)
    skipSpace()
    guard position == text.count else { throw error("text after the JSON value") }
    return root
  }

  private func error(_ problem: String) -> ConstraintError {
    var (line, column) = (1, 1)
    for byte in text.prefix(position) {
      if byte == 0x0A { (line, column) = (line + 1, 1) } else if byte & 0xC0 != 0x80 { column += 1 }
    }
    return .syntax(line: line, column: column, problem: "JSON: \(problem)")
  }

  private var current: UInt8? { position < text.count ? text[position] : nil }

  private mutating func skipSpace() {
    while let c = current, c == 0x20 || c == 0x0A || c == 0x0D || c == 0x09 { position += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard current == byte else { return false }
    position += 1
    return true
  }

  private mutating func word(_ word: StaticString) -> Bool {
    guard text[position...].starts(with: utf8(word)) else { return false }
    position += word.utf8CodeUnitCount
    return true
  }

  private mutating func value(_ document: inout JSONDocument, depth: Int) throws(ConstraintError) -> Int32 {
    guard depth < ConstraintBounds.depthLimit else { throw error("values nested deeper than \(ConstraintBounds.depthLimit)") }
    try bounds.check(document.values.count)
    skipSpace()
    switch current {
    case nil: throw error("the text ends where a value should be")
    case 0x7B:
      position += 1
      var members: [(key: Int32, value: Int32)] = []
      if take(0x7D) { return try document.addObject([]) }
      repeat {
        skipSpace()
        let key = try string(&document)
        guard take(0x3A) else { throw error("':' is needed") }
        members.append((key, try value(&document, depth: depth + 1)))
      } while take(0x2C)
      guard take(0x7D) else { throw error("',' or '}' is needed") }
      return try document.addObject(members)
    case 0x5B:
      position += 1
      var elements: [Int32] = []
      if take(0x5D) { return try document.addArray([]) }
      repeat { elements.append(try value(&document, depth: depth + 1)) } while take(0x2C)
      guard take(0x5D) else { throw error("',' or ']' is needed") }
      return try document.addArray(elements)
    case 0x22: return try string(&document)
    case UInt8(ascii: "t") where word("true"): return try document.add(.bool(true))
    case UInt8(ascii: "f") where word("false"): return try document.add(.bool(false))
    case UInt8(ascii: "n") where word("null"): return try document.add(.null)
    default: return try number(&document)
    }
  }

  private mutating func number(_ document: inout JSONDocument) throws(ConstraintError) -> Int32 {
    let start = position
    if current == 0x2D { position += 1 }
    let first = current
    let whole = digits()
    guard whole > 0, whole == 1 || first != 0x30 else { throw error("no value") }
    if current == 0x2E {
      position += 1
      guard digits() > 0 else { throw error("a digit is needed") }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      position += 1
      if current == 0x2B || current == 0x2D { position += 1 }
      guard digits() > 0 else { throw error("a digit is needed") }
    }
    return try document.addNumber(text[start..<position])
  }

  private mutating func digits() -> Int {
    let start = position
    while let c = current, (0x30...0x39).contains(c) { position += 1 }
    return position - start
  }

  private mutating func string(_ document: inout JSONDocument) throws(ConstraintError) -> Int32 {
    guard current == 0x22 else { throw error("a string is needed") }
    position += 1
    var out: [UInt8] = []
    while let c = current {
      position += 1
      switch c {
      case 0x22: return try document.addString(out)
      case 0x5C:
        guard let escape = current else { throw error("the text ends inside a string") }
        position += 1
        switch escape {
        case UInt8(ascii: "n"): out.append(0x0A)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "r"): out.append(0x0D)
        case UInt8(ascii: "b"): out.append(0x08)
        case UInt8(ascii: "f"): out.append(0x0C)
        case 0x22, 0x5C, 0x2F: out.append(escape)
        case UInt8(ascii: "u"): out += Array(String(try escaped()).utf8)
        default: throw error("an unknown escape")
        }
      case 0..<0x20: throw error("a control character inside a string")
      default: out.append(c)
      }
    }
    throw error("the text ends inside a string")
  }

  private mutating func escaped() throws(ConstraintError) -> Unicode.Scalar {
    var code = try hexadecimal()
    if (0xD800..<0xDC00).contains(code), text[position...].starts(with: utf8("\\u")) {
      position += 2
      let second = try hexadecimal()
      guard (0xDC00..<0xE000).contains(second) else { throw error("half a surrogate pair") }
      code = 0x10000 + (code - 0xD800) << 10 + (second - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair") }
    return scalar
  }

  private mutating func hexadecimal() throws(ConstraintError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let c = current, let digit = TextReader.digit(UInt32(c)) else { throw error("four hexadecimal digits are needed") }
      value = value << 4 | digit
      position += 1
    }
    return value
  }
}
