// SPDX-License-Identifier: Apache-2.0

/// Regular expressions in the common syntax of Python, ECMAScript, Rust and RE2.
///
/// Where they differ, only what all of them match is generated, so an answer is right for each: `\d`, `\w`, `\s` are ASCII, their
/// negations exclude what any engine counts as a digit, word character or white space of Unicode, and `.` excludes all line ends.
struct RegularExpression {
  private var reader: TextReader
  private var e: Expressions
  private var categories = UnicodeCategories()
  /// `\d`, `\w`, `\s` and their negations, by letter, cached.
  private var classes: [(letter: UInt32, characters: Characters)] = []
  private var flags = Flags()
  /// Source positions of anchors, by node.
  private var anchors: [(node: Int32, place: Int)] = []

  struct Flags {
    var ignoresCase = false
    var dotTakesAll = false
  }

  /// An expression for texts that match as a whole.
  static func whole(_ text: [UInt8], in e: inout Expressions) throws(ConstraintError) -> Int32 {
    var parser = RegularExpression(reader: TextReader(text), e: e)
    // Leaves no second reference, so that the growing arrays are not copied.
    e = Expressions(alphabet: e.alphabet, bounds: e.bounds)
    let found = try parser.parse()
    let resolved = try parser.resolved(found, atStart: true, atEnd: true)
    e = parser.e
    return resolved
  }

  /// An expression for texts that contain a match, as `pattern` in schemas.
  static func search(_ text: [UInt8], in e: inout Expressions) throws(ConstraintError) -> Int32 {
    var parser = RegularExpression(reader: TextReader(text), e: e)
    // Leaves no second reference, so that the growing arrays are not copied.
    e = Expressions(alphabet: e.alphabet, bounds: e.bounds)
    let found = try parser.parse()
    let searched = try parser.searched(found)
    e = parser.e
    return searched
  }

  private init(reader: TextReader, e: Expressions) {
    self.reader = reader
    self.e = e
  }

  // MARK: structure

  private mutating func parse() throws(ConstraintError) -> Int32 {
    let found = try alternatives(depth: 0)
    guard reader.isAtEnd else { throw reader.error("an unmatched ')'") }
    return found
  }

  private mutating func alternatives(depth: Int) throws(ConstraintError) -> Int32 {
    guard depth < ConstraintBounds.depthLimit else { throw reader.error("groups nested deeper than \(ConstraintBounds.depthLimit)") }
    let outer = flags
    defer { flags = outer }
    var branches: [Int32] = []
    repeat {
      var parts: [Int32] = []
      while let c = reader.current, c != 0x7C, c != 0x29 {
        if let part = try term(depth: depth) { parts.append(part) }
        // One atom can take as long as some thousand steps elsewhere.
        if parts.count & 0x3F == 0, e.bounds.isStopped() { throw .stopped }
      }
      branches.append(try e.sequence(parts))
    } while reader.take("|")
    return try e.choice(branches)
  }

  /// One atom with its quantifier; nil for what matches nothing by itself, such as a comment.
  private mutating func term(depth: Int) throws(ConstraintError) -> Int32? {
    let place = reader.position
    guard let atom = try atom(depth: depth) else { return nil }
    guard let (least, most) = try quantifier() else { return atom }
    switch e[atom] {
    case .start, .end: throw reader.error("nothing that could be repeated", at: place)
    default: break
    }
    if reader.isNext("+") { throw reader.error("possessive quantifiers are not supported") }
    // A lazy quantifier matches the same texts.
    _ = reader.take("?")
    if let c = reader.current, c == 0x2A || c == 0x2B || c == 0x3F { throw reader.error("a quantifier after a quantifier") }
    do throws(ConstraintError) { return try e.repeated(atom, least, most) } catch {
      if case .tooLarge(let what) = error { throw reader.error(what, at: place) }
      throw error
    }
  }

  private mutating func quantifier() throws(ConstraintError) -> (least: Int, most: Int?)? {
    if reader.take("*") { return (0, nil) }
    if reader.take("+") { return (1, nil) }
    if reader.take("?") { return (0, 1) }
    guard reader.isNext("{") else { return nil }
    let start = reader.position
    reader.position += 1
    let least = reader.number()
    var most = least
    let hasComma = reader.take(",")
    if hasComma { most = reader.number() }
    guard reader.take("}"), least != nil || hasComma else {
      // A brace that is not a quantifier is a literal.
      reader.position = start
      return nil
    }
    guard let least else { throw reader.error("{,…}: some engines read it as {0,…}, others as these characters; write what is meant", at: start) }
    if let most, most < least { throw reader.error("{\(least),\(most)}: the bounds are in the wrong order", at: start) }
    return (least, most)
  }

  private mutating func atom(depth: Int) throws(ConstraintError) -> Int32? {
    let place = reader.position
    guard let c = reader.current else { return nil }
    switch c {
    case 0x28: return try group(depth: depth)  // (
    case 0x5B: return try e.scalars(try bracket())  // [
    case 0x2E:  // .
      reader.position += 1
      return try e.scalars(flags.dotTakesAll ? .all : Self.lineEnds.complement)
    case 0x5E: return try anchor(try e.startAnchor())  // ^
    case 0x24: return try anchor(try e.endAnchor())  // $
    case 0x2A, 0x2B, 0x3F: throw reader.error("nothing before \(shown(c)) that could be repeated")
    case 0x7B:  // {
      if try quantifier() != nil { throw reader.error("nothing before '{' that could be repeated", at: place) }
      reader.position += 1
      return try e.scalars(ScalarSet(c))
    case 0x5C:  // backslash
      reader.position += 1
      if reader.isNext("A") { return try anchor(try e.startAnchor()) }
      if reader.isNext("Z") || reader.isNext("z") { return try anchor(try e.endAnchor()) }
      return try e.scalars(try escape(inBracket: false).narrow)
    default:
      reader.position += 1
      return try e.scalars(cased(ScalarSet(c)))
    }
  }

  private mutating func anchor(_ node: Int32) throws(ConstraintError) -> Int32 {
    anchors.append((node, reader.position))
    reader.position += 1
    return node
  }

  private mutating func group(depth: Int) throws(ConstraintError) -> Int32? {
    let place = reader.position
    reader.position += 1
    if reader.take("?") {
      if reader.take("#") {
        while let c = reader.current, c != 0x29 { reader.position += 1 }
        guard reader.take(")") else { throw reader.error("a comment that does not end", at: place) }
        return nil
      }
      for (text, name) in Self.refused where reader.isNext(text) { throw reader.error("\(name) is not supported", at: place) }
      if reader.take("P<") || reader.take("<") {
        while let c = reader.current, c != 0x3E, c != 0x29 { reader.position += 1 }
        guard reader.take(">") else { throw reader.error("a name without '>'", at: place) }
      } else {
        let outer = flags
        try readFlags(place)
        // (?i) alone applies to the rest of its group.
        if reader.take(")") { return nil }
        guard reader.take(":") else { throw reader.error("an unknown kind of group", at: place) }
        let found = try alternatives(depth: depth + 1)
        flags = outer
        guard reader.take(")") else { throw reader.error("a group that does not end", at: place) }
        return found
      }
    }
    let found = try alternatives(depth: depth + 1)
    guard reader.take(")") else { throw reader.error("a group that does not end", at: place) }
    return found
  }

  private static let refused: [(StaticString, String)] = [
    ("=", "looking ahead"), ("!", "looking ahead"), ("<=", "looking behind"), ("<!", "looking behind"), (">", "an atomic group"),
    ("P=", "a reference to a group"), ("P>", "a call of a group"), ("(", "a condition"), ("|", "a branch reset"), ("R", "recursion"),
    ("&", "a call of a group"),
  ]

  private mutating func readFlags(_ place: Int) throws(ConstraintError) {
    var isOn = true
    while let c = reader.current {
      switch c {
      case UInt32(UInt8(ascii: "i")): flags.ignoresCase = isOn
      case UInt32(UInt8(ascii: "s")): flags.dotTakesAll = isOn
      case UInt32(UInt8(ascii: "a")), UInt32(UInt8(ascii: "u")): break
      case 0x2D where isOn: isOn = false
      case 0x3A, 0x29: return
      default: throw reader.error("flag \(shown(c)) is not supported")
      }
      reader.position += 1
    }
    throw reader.error("a group that does not end", at: place)
  }

  // MARK: characters

  /// Characters that all engines match, and those that some engine may match.
  struct Characters {
    var narrow, wide: ScalarSet
    var inverse: Characters { Characters(narrow: wide.complement, wide: narrow.complement) }

    init(narrow: ScalarSet, wide: ScalarSet) { (self.narrow, self.wide) = (narrow, wide) }
    init(_ set: ScalarSet) { (narrow, wide) = (set, set) }
  }

  static let lineEnds = ScalarSet([(0x0A, 0x0D), (0x85, 0x85), (0x2028, 0x2029)])
  private static let asciiSpace = ScalarSet([(0x09, 0x0D), (0x20, 0x20)])
  private static let asciiDigit = ScalarSet([(0x30, 0x39)])
  private static let asciiWord = ScalarSet([(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)])

  /// Adds the other case of ASCII letters where case is ignored.
  private func cased(_ set: ScalarSet) -> ScalarSet {
    guard flags.ignoresCase else { return set }
    let upper = set.intersection(ScalarSet(0x41...0x5A)).spans.map { ScalarSet.Span(low: $0.low + 32, high: $0.high + 32) }
    let lower = set.intersection(ScalarSet(0x61...0x7A)).spans.map { ScalarSet.Span(low: $0.low - 32, high: $0.high - 32) }
    return ScalarSet(set.spans + upper + lower)
  }

  /// The part after a backslash.
  private mutating func escape(inBracket: Bool) throws(ConstraintError) -> Characters {
    let place = reader.position - 1
    guard let c = reader.current else { throw reader.error("a backslash at the end", at: place) }
    reader.position += 1
    func one(_ value: UInt32) throws(ConstraintError) -> Characters {
      guard Unicode.Scalar(value) != nil else { throw reader.error("U+\(String(value, radix: 16)) is no character", at: place) }
      return Characters(cased(ScalarSet(value)))
    }
    if let known = classes.first(where: { $0.letter == c }) { return known.characters }
    switch c {
    case UInt32(UInt8(ascii: "d")), UInt32(UInt8(ascii: "D")): return keep(c, Self.asciiDigit, categories.digitWide())
    case UInt32(UInt8(ascii: "w")), UInt32(UInt8(ascii: "W")): return keep(c, Self.asciiWord, categories.wordWide())
    case UInt32(UInt8(ascii: "s")), UInt32(UInt8(ascii: "S")):
      let more = ScalarSet([(0x1C, 0x1F), (0x180E, 0x180E), (0xFEFF, 0xFEFF)])
      return keep(c, Self.asciiSpace, UnicodeCategories.whiteSpace.union(more))
    case UInt32(UInt8(ascii: "p")), UInt32(UInt8(ascii: "P")):
      let set = Characters(try property(place))
      return c < 0x60 ? set.inverse : set
    case UInt32(UInt8(ascii: "t")): return try one(0x09)
    case UInt32(UInt8(ascii: "n")): return try one(0x0A)
    case UInt32(UInt8(ascii: "v")): return try one(0x0B)
    case UInt32(UInt8(ascii: "f")): return try one(0x0C)
    case UInt32(UInt8(ascii: "r")): return try one(0x0D)
    case UInt32(UInt8(ascii: "a")): return try one(0x07)
    case UInt32(UInt8(ascii: "b")) where inBracket: return try one(0x08)
    case 0x30:
      if let next = reader.current, (0x30...0x39).contains(next) { throw reader.error("octal escapes are not supported", at: place) }
      return try one(0)
    case UInt32(UInt8(ascii: "x")): return try one(try reader.isNext("{") ? braced(place) : reader.hexadecimal(2))
    case UInt32(UInt8(ascii: "u")):
      if reader.isNext("{") { return try one(try braced(place)) }
      let first = try reader.hexadecimal(4)
      if (0xD800..<0xDC00).contains(first), reader.take("\\u") {
        let second = try reader.hexadecimal(4)
        guard (0xDC00..<0xE000).contains(second) else { throw reader.error("half a surrogate pair", at: place) }
        return try one(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
      }
      return try one(first)
    case UInt32(UInt8(ascii: "U")): return try one(try reader.hexadecimal(8))
    case UInt32(UInt8(ascii: "c")):
      guard let letter = reader.current, (0x41...0x5A).contains(letter & ~0x20) else { throw reader.error("a letter must follow \\c", at: place) }
      reader.position += 1
      return try one(letter & 0x1F)
    case UInt32(UInt8(ascii: "b")), UInt32(UInt8(ascii: "B")): throw reader.error("word boundaries are not supported", at: place)
    case 0x31...0x39, UInt32(UInt8(ascii: "k")): throw reader.error("references to groups are not supported", at: place)
    case 0x41...0x5A, 0x61...0x7A: throw reader.error("unknown escape \\\(shown(c))", at: place)
    default: return try one(c)
    }
  }

  private mutating func keep(_ letter: UInt32, _ narrow: ScalarSet, _ wide: ScalarSet) -> Characters {
    let set = Characters(narrow: narrow, wide: wide)
    classes.append((letter, letter < 0x60 ? set.inverse : set))
    return classes[classes.count - 1].characters
  }

  /// `{10FFFF}`
  private mutating func braced(_ place: Int) throws(ConstraintError) -> UInt32 {
    reader.position += 1
    var value: UInt32 = 0
    while let c = reader.current, let digit = TextReader.digit(c) {
      value = min(value << 4 | digit, 0x110000)
      reader.position += 1
    }
    guard reader.take("}"), value <= ScalarSet.largest else { throw reader.error("no character's number in braces", at: place) }
    return value
  }

  private mutating func property(_ place: Int) throws(ConstraintError) -> ScalarSet {
    var name: [UInt8] = []
    if reader.take("{") {
      while let c = reader.current, c < 0x80, c != 0x7D {
        name.append(UInt8(c))
        reader.position += 1
      }
      guard reader.take("}") else { throw reader.error("a property without '}'", at: place) }
    } else if let c = reader.current, c < 0x80 {
      name.append(UInt8(c))
      reader.position += 1
    }
    let isInverse = name.first == 0x5E
    if isInverse { name.removeFirst() }
    for prefix: StaticString in ["General_Category=", "gc="] where name.starts(with: utf8(prefix)) { name.removeFirst(prefix.utf8CodeUnitCount) }
    guard let set = categories.set(named: name) else {
      throw reader.error("\\p{\(String(decoding: name, as: UTF8.self))}: only general categories, Any, ASCII and Assigned are supported", at: place)
    }
    return isInverse ? set.complement : set
  }

  /// `[…]`, the set that all engines match.
  private mutating func bracket() throws(ConstraintError) -> ScalarSet {
    let place = reader.position
    reader.position += 1
    let isInverse = reader.take("^")
    if reader.isNext("]") { throw reader.error("']' as the first of a class: write it as \\]") }
    var (narrow, wide): ([ScalarSet.Span], [ScalarSet.Span]) = ([], [])
    var count = 0
    while !reader.take("]") {
      count += 1
      try e.bounds.check(count)
      guard let c = reader.current else { throw reader.error("a class that does not end", at: place) }
      if reader.isNext("[:") { throw reader.error("[:…:] is not supported") }
      let item = try bracketItem(c)
      var set = item
      if reader.isNext("-"), let next = reader.peek(1), next != 0x5D, let low = item.narrow.spans.first?.low, isOne(item) {
        let dash = reader.position
        reader.position += 1
        let other = try bracketItem(next)
        guard isOne(other), let high = last ?? other.narrow.single else { throw reader.error("a range between sets", at: dash) }
        let from = first ?? low
        guard from <= high else { throw reader.error("a range in the wrong order", at: dash) }
        set = Characters(cased(ScalarSet(from...high)))
      }
      narrow += set.narrow.spans
      wide += set.wide.spans
    }
    let set = Characters(narrow: ScalarSet(narrow), wide: widened(ScalarSet(wide)))
    return isInverse ? set.inverse.narrow : set.narrow
  }

  /// Adds what engines that ignore the case of all Unicode letters also match.
  private func widened(_ set: ScalarSet) -> ScalarSet {
    guard flags.ignoresCase else { return set }
    var more: [ScalarSet.Span] = []
    if set.contains(0x6B) { more.append(.init(low: 0x212A, high: 0x212A)) }
    if set.contains(0x73) { more.append(.init(low: 0x17F, high: 0x17F)) }
    if set.contains(0x69) { more.append(.init(low: 0x130, high: 0x131)) }
    // The other case of non-ASCII letters is not known here.
    if !set.subtracting(ScalarSet(0...0x7F)).isEmpty { more.append(.init(low: 0xB5, high: 0x1E943)) }
    return ScalarSet(set.spans + more)
  }

  /// The last item of a class if it was a single character, as written; nil for a set.
  private var first: UInt32?
  private var last: UInt32?

  private func isOne(_ item: Characters) -> Bool { last != nil }

  private mutating func bracketItem(_ c: UInt32) throws(ConstraintError) -> Characters {
    first = last
    if c == 0x5C {
      reader.position += 1
      let ignores = flags.ignoresCase
      flags.ignoresCase = false
      let found = try escape(inBracket: true)
      flags.ignoresCase = ignores
      last = found.narrow == found.wide ? found.narrow.single : nil
      return Characters(narrow: cased(found.narrow), wide: cased(found.wide))
    }
    reader.position += 1
    last = c
    return Characters(cased(ScalarSet(c)))
  }

  // MARK: anchors

  private func refuse(_ anchor: Int32) -> ConstraintError {
    let place = anchors.first { $0.node == anchor }?.place
    return reader.error("an anchor that is not at the beginning or end", at: place)
  }

  /// The expression with its anchors resolved: they hold only at the text's start and end.
  private mutating func resolved(_ node: Int32, atStart: Bool, atEnd: Bool) throws(ConstraintError) -> Int32 {
    switch e[node] {
    case .start:
      guard atStart else { throw refuse(node) }
      return try e.empty()
    case .end:
      guard atEnd else { throw refuse(node) }
      return try e.empty()
    case .sequence(let start, let count):
      let parts = Array(e.parts(start, count))
      let first = parts.firstIndex { !isAnchor($0) } ?? parts.count
      let last = parts.lastIndex { !isAnchor($0) } ?? -1
      var found: [Int32] = []
      for (i, part) in parts.enumerated() {
        found.append(try resolved(part, atStart: atStart && i <= first, atEnd: atEnd && i >= last))
      }
      return try e.sequence(found)
    case .choice(let start, let count):
      var found: [Int32] = []
      for part in e.parts(start, count) { found.append(try resolved(part, atStart: atStart, atEnd: atEnd)) }
      return try e.choice(found)
    case .repeated(let body, let least, let most):
      let isOnce = most == 1
      let found = try resolved(body, atStart: atStart && isOnce, atEnd: atEnd && isOnce)
      return found == body ? node : try e.repeated(found, Int(least), most < 0 ? nil : Int(most))
    default: return node
    }
  }

  private func isAnchor(_ node: Int32) -> Bool {
    switch e[node] {
    case .start, .end: true
    default: false
    }
  }

  /// The expression with anything before and after, except where it is anchored.
  private mutating func searched(_ node: Int32) throws(ConstraintError) -> Int32 {
    var parts = [node]
    switch e[node] {
    case .choice(let start, let count):
      var found: [Int32] = []
      for part in e.parts(start, count) { found.append(try searched(part)) }
      return try e.choice(found)
    case .sequence(let start, let count): parts = Array(e.parts(start, count))
    default: break
    }
    var (atStart, atEnd) = (false, false)
    while let first = parts.first, case .start = e[first] {
      atStart = true
      parts.removeFirst()
    }
    while let last = parts.last, case .end = e[last] {
      atEnd = true
      parts.removeLast()
    }
    if parts.count == 1, !atStart, !atEnd, case .choice = e[parts[0]] { return try searched(parts[0]) }
    let any = try e.repeated(try e.scalars(.all), 0, nil)
    let core = try resolved(try e.sequence(parts), atStart: atStart, atEnd: atEnd)
    return try e.sequence((atStart ? [] : [any]) + [core] + (atEnd ? [] : [any]))
  }
}
