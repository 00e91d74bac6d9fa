// SPDX-License-Identifier: Apache-2.0

extension JSONSchema {
  /// Characters that need no escape in a JSON string.
  static var plain: ScalarSet { ScalarSet([(0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0x80, ScalarSet.largest)]) }

  /// A quoted string as an expression.
  mutating func string(_ conjunction: Conjunction) throws(ConstraintError) -> Int32 {
    let (least, most) = try bounds(conjunction, "minLength", "maxLength")
    if least == 0, most == nil, let only = try single(conjunction) { return only }
    var automata: [ScalarAutomaton] = []
    for schema in conjunction.schemas {
      if let pattern = document.member(schema, "pattern") {
        guard let text = document.string(pattern) else { throw error(schema, "pattern", "is no text") }
        automata.append(try automaton(Array(text), isWhole: false, schema, "pattern"))
      }
      if let format = document.member(schema, "format"), let text = document.string(format), let pattern = Self.pattern(ofFormat: text) {
        automata.append(try automaton(utf8(pattern), isWhole: true, schema, "format"))
      }
    }
    for (excluded, _, _) in conjunction.excluded {
      guard let values = try named(excluded) else { continue }
      automata.append(try ScalarAutomaton.except(values.compactMap { value in document.string(value).map { Self.scalars($0) } }))
    }
    let quote = try e.literal("\"")
    guard !automata.isEmpty else {
      if least == 0, most == nil { return try anyString() }
      return try e.sequence([quote, try e.repeated(try stringCharacter(), least, most), quote])
    }
    do throws(ConstraintError) {
      if least > 0 || most != nil { automata.append(try ScalarAutomaton.length(least, most)) }
      return try e.sequence([quote, try text(automata), quote])
    } catch {
      if case .tooLarge(let what) = error { throw self.error(conjunction.schemas.first ?? 0, nil, what) }
      throw error
    }
  }

  /// A string with one pattern or format and nothing else: compiled without an automaton, which keeps repetitions compact.
  private mutating func single(_ conjunction: Conjunction) throws(ConstraintError) -> Int32? {
    var found: (source: [UInt8], isWhole: Bool, schema: Int32)?
    for (excluded, _, _) in conjunction.excluded where try named(excluded) != nil { return nil }
    for schema in conjunction.schemas {
      for keyword: StaticString in ["pattern", "format"] {
        guard let value = document.member(schema, keyword), let text = document.string(value) else { continue }
        let isWhole = equal(utf8(keyword), "format")
        let format = Self.pattern(ofFormat: text)
        if isWhole, format == nil { continue }
        guard found == nil else { return nil }
        found = (isWhole ? format.map { utf8($0) } ?? [] : Array(text), isWhole, schema)
      }
    }
    guard let found else { return nil }
    do throws(ConstraintError) {
      let inside = found.isWhole ? try RegularExpression.whole(found.source, in: &e) : try RegularExpression.search(found.source, in: &e)
      let quote = try e.literal("\"")
      return try e.sequence([quote, try escapedTree(inside), quote])
    } catch {
      guard case .syntax(_, let column, let problem) = error else { throw error }
      throw self.error(found.schema, found.isWhole ? "format" : "pattern", "column \(column): \(problem)")
    }
  }

  /// An expression with its scalars escaped as in JSON strings.
  private mutating func escapedTree(_ node: Int32) throws(ConstraintError) -> Int32 {
    switch e[node] {
    case .scalars(let number): return try escaped(e.set(number))
    case .sequence(let start, let count):
      var parts: [Int32] = []
      for part in Array(e.parts(start, count)) { parts.append(try escapedTree(part)) }
      return try e.sequence(parts)
    case .choice(let start, let count):
      var parts: [Int32] = []
      for part in Array(e.parts(start, count)) { parts.append(try escapedTree(part)) }
      return try e.choice(parts)
    case .repeated(let body, let least, let most):
      return try e.repeated(try escapedTree(body), Int(least), most < 0 ? nil : Int(most))
    default: return node
    }
  }

  /// Intersection of the automata, as the inside of a JSON string.
  mutating func text(_ automata: [ScalarAutomaton]) throws(ConstraintError) -> Int32 {
    guard var whole = automata.first else { return try e.repeated(try stringCharacter(), 0, nil) }
    for other in automata.dropFirst() { whole = try whole.intersection(other, e.bounds) }
    // Without a backslash in the alphabet, no escaped characters can be written.
    let writable = e.alphabet.map { $0.contains(0x5C) ? $0.union(ScalarSet([(0, 0x1F), (0x22, 0x22)])) : $0.intersection(Self.plain) }
    guard let trimmed = whole.trimmed(writable) else { return try e.never() }
    var steps: [[(expression: Int32, target: Int)]] = []
    var known = SequenceTable<UInt64>()
    var expressions: [Int32] = []
    for list in trimmed.steps {
      var found: [(expression: Int32, target: Int)] = []
      for step in list {
        let number = known.number(of: step.set.packed)
        if number == expressions.count { expressions.append(try escaped(step.set)) }
        found.append((expressions[number], step.target))
      }
      steps.append(found)
    }
    return try e.automaton(.init(steps: steps, isAccepting: trimmed.isAccepting))
  }

  /// The automaton of a regular expression; recent ones are cached.
  mutating func automaton(
    _ source: [UInt8], isWhole: Bool, _ schema: Int32, _ keyword: StaticString
  ) throws(ConstraintError) -> ScalarAutomaton {
    if let known = patterns.first(where: { $0.isWhole == isWhole && $0.source == source }) { return known.automaton }
    do throws(ConstraintError) {
      // The full alphabet: what cannot be written is removed at the end.
      var own = Expressions(alphabet: nil, bounds: e.bounds)
      let expression = try isWhole ? RegularExpression.whole(source, in: &own) : RegularExpression.search(source, in: &own)
      let made = try own.scalarAutomaton(expression)
      if patterns.count >= 16 { patterns.removeFirst() }
      patterns.append((source, isWhole, made))
      return made
    } catch {
      switch error {
      case .syntax(_, let column, let problem): throw self.error(schema, keyword, "column \(column): \(problem)")
      case .tooLarge(let what): throw self.error(schema, keyword, what)
      default: throw error
      }
    }
  }

  /// One character of a set, escaped where necessary.
  private mutating func escaped(_ set: ScalarSet) throws(ConstraintError) -> Int32 {
    var branches: [Int32] = []
    let plain = set.intersection(Self.plain)
    if !plain.isEmpty { branches.append(try e.scalars(plain)) }
    for value in UInt32(0)..<0x80 where set.contains(value) && !Self.plain.contains(value) {
      switch value {
      case 0x7F: branches.append(try e.literal("\\u007f"))
      default:
        var text: [UInt8] = []
        JSONDocument.quote([UInt8(value)], into: &text)
        branches.append(try e.literal(text[1..<text.count - 1]))
      }
    }
    return try e.choice(branches)
  }

  /// Any character of a string, escaped or not.
  mutating func stringCharacter() throws(ConstraintError) -> Int32 {
    try common(.stringCharacter) { (s) throws(ConstraintError) in
      func digit(_ pairs: [(UInt32, UInt32)]) throws(ConstraintError) -> Int32 { try s.e.scalars(ScalarSet(pairs)) }
      let any = try digit([(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)])
      let high = try s.e.sequence([try digit([(0x44, 0x44), (0x64, 0x64)]), try digit([(0x38, 0x39), (0x41, 0x42), (0x61, 0x62)]), any, any])
      let low = try s.e.sequence([try digit([(0x44, 0x44), (0x64, 0x64)]), try digit([(0x43, 0x46), (0x63, 0x66)]), any, any])
      let one = try s.e.choice([
        try s.e.sequence([try digit([(0x30, 0x39), (0x41, 0x43), (0x45, 0x46), (0x61, 0x63), (0x65, 0x66)]), any, any, any]),
        try s.e.sequence([try digit([(0x44, 0x44), (0x64, 0x64)]), try digit([(0x30, 0x37)]), any, any]),
        try s.e.sequence([high, try s.e.literal("\\u"), low]),
      ])
      let short = try s.e.scalars(
        ScalarSet([(0x22, 0x22), (0x2F, 0x2F), (0x5C, 0x5C), (0x62, 0x62), (0x66, 0x66), (0x6E, 0x6E), (0x72, 0x72), (0x74, 0x74)]))
      let escape = try s.e.sequence([try s.e.literal("\\"), try s.e.choice([short, try s.e.sequence([try s.e.literal("u"), one])])])
      return try s.e.choice([try s.e.scalars(Self.plain), escape])
    }
  }

  mutating func anyString() throws(ConstraintError) -> Int32 {
    try common(.string) { (s) throws(ConstraintError) in
      let quote = try s.e.literal("\"")
      return try s.e.named(try s.e.sequence([quote, try s.e.repeated(try s.stringCharacter(), 0, nil), quote]))
    }
  }

  /// A regular expression for a format, which may cover only a part of it; nil: the format is an annotation here.
  static func pattern(ofFormat name: ArraySlice<UInt8>) -> StaticString? {
    for (format, pattern) in formats where equal(name, format) { return pattern }
    return nil
  }

  private static let formats: [(StaticString, StaticString)] = [
    (
      "date",
      """
      [1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))\
      |([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29
      """
    ),
    ("time", "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"),
    (
      "date-time",
      """
      ([1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))\
      |([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)\
      T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])
      """
    ),
    (
      "duration",
      "P([0-9]{1,4}W|([0-9]{1,4}Y)([0-9]{1,2}M)?|([0-9]{1,4}D)(T[0-9]{1,2}H([0-9]{1,2}M)?)?|T([0-9]{1,4}H([0-9]{1,2}M)?|[0-9]{1,4}M|[0-9]{1,4}S))"
    ),
    ("uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"),
    ("email", "[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,15}){0,2}@([A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\\.){1,4}[A-Za-z]{2,16}"),
    ("idn-email", "[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,15}){0,2}@([A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\\.){1,4}[A-Za-z]{2,16}"),
    ("hostname", "([a-z0-9]([a-z0-9]{0,30}[a-z0-9])?\\.){0,3}[a-z]([a-z0-9]{0,30}[a-z0-9])?"),
    ("idn-hostname", "([a-z0-9]([a-z0-9]{0,30}[a-z0-9])?\\.){0,3}[a-z]([a-z0-9]{0,30}[a-z0-9])?"),
    ("ipv4", "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"),
    ("ipv6", "([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4}|::1?"),
    (
      "uri",
      "https?://([a-z0-9]([a-z0-9]{0,30}[a-z0-9])?\\.){1,4}[a-z]{2,16}(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~-]*)*(\\?[A-Za-z0-9._~=&-]*)?(#[A-Za-z0-9._~-]*)?"
    ),
    (
      "iri",
      "https?://([a-z0-9]([a-z0-9]{0,30}[a-z0-9])?\\.){1,4}[a-z]{2,16}(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~-]*)*(\\?[A-Za-z0-9._~=&-]*)?(#[A-Za-z0-9._~-]*)?"
    ),
    ("uri-reference", "/?[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?(\\?[A-Za-z0-9._~=&-]*)?(#[A-Za-z0-9._~-]*)?"),
    ("iri-reference", "/?[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?(\\?[A-Za-z0-9._~=&-]*)?(#[A-Za-z0-9._~-]*)?"),
    ("uri-template", "/?[A-Za-z0-9._~-]+(/([A-Za-z0-9._~-]+|\\{[a-z][a-z0-9_]{0,30}\\}))*"),
    ("json-pointer", "(/([A-Za-z0-9_. -]|~[01])*)*"),
    ("relative-json-pointer", "(0|[1-9][0-9]{0,2})(#|(/([A-Za-z0-9_. -]|~[01])*)*)"),
    ("regex", "[A-Za-z0-9 _]*"),
  ]
}
