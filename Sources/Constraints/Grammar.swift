// SPDX-License-Identifier: Apache-2.0

/// Grammars in GBNF, llama.cpp's notation: `name ::= "text" [a-z] ( … | … )* other{2,5} # comment`. The start rule is `root`.
/// Rules may be recursive, but not left-recursive.
struct Grammar {
  private var reader: TextReader
  private var e: Expressions
  /// Names by rule, and the position of each one's first use.
  private var names = SequenceTable<UInt8>()
  private var places: [Int] = []

  static func read(_ text: [UInt8], into e: inout Expressions) throws(ConstraintError) -> Int32 {
    var parser = Grammar(reader: TextReader(text), e: e)
    // Leaves no second reference, so that the growing arrays are not copied.
    e = Expressions(alphabet: e.alphabet, bounds: e.bounds)
    let start = try parser.parse()
    e = parser.e
    return start
  }

  private init(reader: TextReader, e: Expressions) {
    self.reader = reader
    self.e = e
  }

  private mutating func parse() throws(ConstraintError) -> Int32 {
    skipSpace(newlines: true)
    while !reader.isAtEnd {
      let place = reader.position
      guard let rule = try name() else { throw reader.error("the name of a rule is needed, not \(shown(reader.current))") }
      skipSpace(newlines: false)
      guard reader.take("::=") else { throw reader.error("'::=' is needed") }
      guard e.rules[rule] < 0 else { throw reader.error("rule \(named(rule)) is defined twice", at: place) }
      skipSpace(newlines: true)
      let body = try alternatives(depth: 0)
      e.define(rule, as: body)
      guard reader.isAtEnd || reader.isNext("\n") || reader.isNext("\r") else {
        throw reader.error("a rule ends with its line, not with \(shown(reader.current))")
      }
      skipSpace(newlines: true)
    }
    for rule in e.rules.indices where e.rules[rule] < 0 { throw reader.error("rule \(named(rule)) is not defined", at: places[rule]) }
    guard let root = names.find(utf8("root")) else { throw reader.error("there is no rule root", at: 0) }
    do throws(ConstraintError) { _ = try ExpressionFacts(e) } catch {
      guard case .rule(let number, let problem) = error, let rule = Int(number), places.indices.contains(rule) else { throw error }
      throw reader.error("rule \(named(rule)) \(problem)", at: places[rule])
    }
    return try e.rule(root)
  }

  private func named(_ rule: Int) -> String { String(decoding: names[rule], as: UTF8.self) }

  /// A rule's number by its name; nil: no name follows.
  private mutating func name() throws(ConstraintError) -> Int? {
    let place = reader.position
    var text: [UInt8] = []
    while let c = reader.current, c < 0x80, Self.isWord(UInt8(c)) {
      text.append(UInt8(c))
      reader.position += 1
    }
    guard !text.isEmpty else { return nil }
    let rule = names.number(of: text)
    if rule == places.count {
      _ = try e.newRule()
      places.append(place)
    }
    return rule
  }

  private static func isWord(_ c: UInt8) -> Bool {
    switch c {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
    default: false
    }
  }

  /// Skips white space and comments, and line ends unless they end a rule.
  private mutating func skipSpace(newlines: Bool) {
    while let c = reader.current {
      switch c {
      case 0x20, 0x09: reader.position += 1
      case 0x23: while let c = reader.current, c != 0x0A, c != 0x0D { reader.position += 1 }
      case 0x0A where newlines, 0x0D where newlines: reader.position += 1
      default: return
      }
    }
  }

  private mutating func alternatives(depth: Int) throws(ConstraintError) -> Int32 {
    guard depth < ConstraintBounds.depthLimit else { throw reader.error("groups nested deeper than \(ConstraintBounds.depthLimit)") }
    var branches: [Int32] = []
    while true {
      var parts: [Int32] = []
      while let part = try term(depth: depth) {
        parts.append(part)
        skipSpace(newlines: depth > 0)
      }
      branches.append(try e.sequence(parts))
      guard reader.take("|") else { break }
      skipSpace(newlines: true)
    }
    return try e.choice(branches)
  }

  private mutating func term(depth: Int) throws(ConstraintError) -> Int32? {
    let place = reader.position
    guard let c = reader.current else { return nil }
    var item: Int32
    switch c {
    case 0x22: item = try quoted()
    case 0x5B: item = try e.scalars(try bracket())
    case 0x2E:
      reader.position += 1
      item = try e.scalars(.all)
    case 0x28:
      reader.position += 1
      skipSpace(newlines: true)
      item = try alternatives(depth: depth + 1)
      guard reader.take(")") else { throw reader.error("a group that does not end", at: place) }
    case 0x3C: throw reader.error("tokens by name are not supported")
    default:
      guard let rule = try name() else { return nil }
      item = try e.rule(rule)
    }
    skipSpace(newlines: depth > 0)
    while let (least, most) = try repetition() {
      do throws(ConstraintError) { item = try e.repeated(item, least, most) } catch {
        if case .tooLarge(let what) = error { throw reader.error(what, at: place) }
        throw error
      }
      skipSpace(newlines: depth > 0)
    }
    return item
  }

  private mutating func repetition() throws(ConstraintError) -> (least: Int, most: Int?)? {
    if reader.take("*") { return (0, nil) }
    if reader.take("+") { return (1, nil) }
    if reader.take("?") { return (0, 1) }
    let place = reader.position
    guard reader.take("{") else { return nil }
    skipSpace(newlines: true)
    guard let least = reader.number() else { throw reader.error("a number is needed") }
    skipSpace(newlines: true)
    var most: Int? = least
    if reader.take(",") {
      skipSpace(newlines: true)
      most = reader.number()
      skipSpace(newlines: true)
    }
    guard reader.take("}") else { throw reader.error("'}' is needed") }
    if let most, most < least { throw reader.error("{\(least),\(most)}: the bounds are in the wrong order", at: place) }
    return (least, most)
  }

  private mutating func quoted() throws(ConstraintError) -> Int32 {
    let place = reader.position
    reader.position += 1
    var text: [UInt8] = []
    while !reader.take("\"") {
      guard !reader.isAtEnd, !reader.isNext("\n") else { throw reader.error("a text that does not end", at: place) }
      if let scalar = Unicode.Scalar(try character()), let bytes = Unicode.UTF8.encode(scalar) { text += bytes }
      try e.bounds.check(text.count)
    }
    return try e.literal(text)
  }

  private mutating func bracket() throws(ConstraintError) -> ScalarSet {
    let place = reader.position
    reader.position += 1
    let isInverse = reader.take("^")
    var spans: [ScalarSet.Span] = []
    while !reader.take("]") {
      guard !reader.isAtEnd else { throw reader.error("a class that does not end", at: place) }
      let low = try character()
      var high = low
      if reader.isNext("-"), let next = reader.peek(1), next != 0x5D {
        reader.position += 1
        high = try character()
        guard low <= high else { throw reader.error("a range in the wrong order") }
      }
      spans.append(.init(low: low, high: high))
      try e.bounds.check(spans.count)
    }
    return isInverse ? ScalarSet(spans).complement : ScalarSet(spans)
  }

  /// One character, possibly escaped.
  private mutating func character() throws(ConstraintError) -> UInt32 {
    let place = reader.position
    guard let c = reader.current else { throw reader.error("the grammar ends inside of a text") }
    reader.position += 1
    guard c == 0x5C else { return c }
    guard let escape = reader.current else { throw reader.error("the grammar ends after a backslash") }
    reader.position += 1
    let value: UInt32
    switch escape {
    case UInt32(UInt8(ascii: "x")): value = try reader.hexadecimal(2)
    case UInt32(UInt8(ascii: "u")): value = try reader.hexadecimal(4)
    case UInt32(UInt8(ascii: "U")): value = try reader.hexadecimal(8)
    case UInt32(UInt8(ascii: "t")): value = 0x09
    case UInt32(UInt8(ascii: "n")): value = 0x0A
    case UInt32(UInt8(ascii: "r")): value = 0x0D
    case 0x22, 0x5B, 0x5C, 0x5D, 0x2D, 0x5E, 0x2F: value = escape
    default: throw reader.error("unknown escape \\\(shown(escape))", at: place)
    }
    guard Unicode.Scalar(value) != nil else { throw reader.error("U+\(String(value, radix: 16)) is no character", at: place) }
    return value
  }
}
