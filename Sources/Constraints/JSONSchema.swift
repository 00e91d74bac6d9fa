// SPDX-License-Identifier: Apache-2.0

/// Compiles JSON Schema 2020-12 to an expression for JSON texts that are valid under it.
///
/// Every answer is valid, but only one form of each valid value can be generated: members come in the schema's order, each once; members
/// that `properties` does not name only where `additionalProperties` or `patternProperties` mentions them, or where the schema names no
/// member; a missing `type` follows from the other keywords. White space between tokens is nothing, a space, or a line end with up to
/// 20 spaces; after a colon nothing or a space. Numbers have up to 15 digits, and short fractions and exponents; an unconstrained value is
/// nested at most `freeDepth` deep.
///
/// An unsupported keyword that would change what is valid is an error that names it. Unknown `format` names, and keywords that 2020-12
/// does not have, are annotations.
struct JSONSchema {
  var document: JSONDocument
  var e: Expressions
  /// Sets of schemas that a value must satisfy together, each compiled to one rule.
  private var goals = SequenceTable<UInt64>()
  private var goalRules: [Int] = []
  /// Schemas that were synthesised as negations of others.
  var negations: [Int32] = []
  /// Expressions that are used repeatedly.
  private var shared: [(key: Shared, expression: Int32)] = []
  var patterns: [(source: [UInt8], isWhole: Bool, automaton: ScalarAutomaton)] = []

  /// Nesting depth of values that a schema does not constrain.
  static var freeDepth: Int { 6 }
  /// Most combinations of branches of `anyOf` and the like for one value.
  static var branchLimit: Int { 512 }

  enum Shared: Equatable {
    case space, stringCharacter, string, keyCharacter, key, number, integer, value(Int)
  }

  static func read(_ text: [UInt8], into e: inout Expressions) throws(ConstraintError) -> Int32 {
    let text = text.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(text.dropFirst(3)) : text
    var schema = JSONSchema(document: try JSONDocument(text, e.bounds), e: e)
    // Leaves no second reference, so that the growing arrays are not copied.
    e = Expressions(alphabet: e.alphabet, bounds: e.bounds)
    let start = try schema.goal([schema.document.root])
    var next = 0
    while next < schema.goals.count {
      if e.bounds.isStopped() { throw .stopped }
      try schema.define(next)
      next += 1
    }
    e = schema.e
    return start
  }

  private init(document: JSONDocument, e: Expressions) {
    self.document = document
    self.e = e
  }

  func error(_ schema: Int32, _ keyword: StaticString? = nil, _ problem: String) -> ConstraintError {
    let pointer = document.pointer(schema)
    return .schema(pointer: keyword.map { "\(pointer)/\($0)" } ?? pointer, problem: problem)
  }

  func refusal(_ schema: Int32, _ keyword: StaticString) -> ConstraintError { error(schema, keyword, "\(keyword) is not supported here") }

  // MARK: goals

  /// A value that satisfies all of `schemas`.
  mutating func goal(_ schemas: [Int32]) throws(ConstraintError) -> Int32 {
    var set: [UInt64] = []
    for schema in schemas.sorted() where set.last != UInt64(schema) {
      switch document[schema] {
      case .bool(true): continue
      case .bool(false): return try e.never()
      case .object: set.append(UInt64(schema))
      default: throw error(schema, "a schema is an object, true or false")
      }
    }
    if set.isEmpty { return try anyValue(Self.freeDepth) }
    let number = goals.number(of: set)
    if number == goalRules.count { goalRules.append(try e.newRule()) }
    return try e.rule(goalRules[number])
  }

  private func error(_ schema: Int32, _ problem: String) -> ConstraintError { error(schema, nil, problem) }

  private mutating func define(_ number: Int) throws(ConstraintError) {
    let schemas = goals[number].map { Int32(truncatingIfNeeded: $0) }
    var branches: [Int32] = []
    for conjunction in try expand(schemas) {
      if let literals = try literals(of: conjunction, schemas) {
        for literal in literals {
          var text: [UInt8] = []
          document.written(literal, into: &text)
          branches.append(try e.literal(text))
        }
      } else {
        try write(conjunction, into: &branches)
      }
    }
    e.define(goalRules[number], as: try e.choice(branches))
  }

  /// The values of `enum` and `const` that satisfy all schemas; nil without these keywords.
  private mutating func literals(of conjunction: Conjunction, _ schemas: [Int32]) throws(ConstraintError) -> [Int32]? {
    guard let named = try namedValues(conjunction) else { return nil }
    var found: [Int32] = []
    for value in named {
      var isValid = true
      for schema in schemas where isValid { isValid = try validates(value, schema, depth: 0) }
      if isValid { found.append(value) }
    }
    return found
  }

  /// The values of a schema that only enumerates values.
  func named(_ schema: Int32) throws(ConstraintError) -> [Int32]? {
    guard let members = document.members(schema), members.count == 1 else { return nil }
    return try namedValues(Conjunction(schemas: [schema]))
  }

  func namedValues(_ conjunction: Conjunction) throws(ConstraintError) -> [Int32]? {
    for schema in conjunction.schemas {
      if let value = document.member(schema, "const") { return [value] }
      guard let list = document.member(schema, "enum") else { continue }
      guard let values = document.elements(list) else { throw error(schema, "enum", "is no array") }
      return Array(values)
    }
    return nil
  }

  private mutating func write(_ conjunction: Conjunction, into branches: inout [Int32]) throws(ConstraintError) {
    let types = try self.types(of: conjunction, infers: true)
    for type in ValueType.allCases where types.contains(type) {
      if type == .integer, types.contains(.number) { continue }
      var isExcluded = false
      for (excluded, _, _) in conjunction.excluded where !isExcluded { isExcluded = try covers(excluded, type) }
      if isExcluded { continue }
      for (excluded, by, keyword) in conjunction.excluded {
        if try excludes(conjunction, type, excluded, depth: 0) { continue }
        // Enumerated texts can be excluded.
        if type == .string, keyword == .not, try named(excluded) != nil { continue }
        if keyword == .not { throw refusal(by, "not") }
        throw error(by, "oneOf", "branches that may hold at the same time are not supported")
      }
      if let (schema, keyword) = conjunction.refused { throw refusal(schema, keyword) }
      switch type {
      case .null: branches.append(try e.literal("null"))
      case .boolean: branches += [try e.literal("true"), try e.literal("false")]
      case .integer, .number: branches.append(try number(conjunction, isInteger: type == .integer))
      case .string: branches.append(try string(conjunction))
      case .array: branches.append(try array(conjunction))
      case .object: branches.append(try object(conjunction))
      }
    }
  }

  // MARK: shared expressions

  mutating func common(_ key: Shared, _ make: (inout JSONSchema) throws(ConstraintError) -> Int32) throws(ConstraintError) -> Int32 {
    if let known = shared.first(where: { $0.key == key }) { return known.expression }
    let made = try make(&self)
    shared.append((key, made))
    return made
  }

  /// White space where a line may be broken.
  mutating func space() throws(ConstraintError) -> Int32 {
    try common(.space) { (s) throws(ConstraintError) in
      let blank = try s.e.literal(" ")
      let line = try s.e.sequence([try s.e.literal("\n"), try s.e.repeated(blank, 0, 20)])
      return try s.e.optional(try s.e.choice([blank, line]))
    }
  }

  mutating func colon() throws(ConstraintError) -> Int32 { try e.sequence([try e.literal(":"), try e.optional(try e.literal(" "))]) }
  mutating func comma() throws(ConstraintError) -> Int32 { try e.sequence([try e.literal(","), try space()]) }

  /// Any value, nested at most `depth` deep.
  mutating func anyValue(_ depth: Int) throws(ConstraintError) -> Int32 {
    try common(.value(depth)) { (s) throws(ConstraintError) in
      var branches = [
        try s.anyString(), try s.anyNumber(), try s.e.literal("true"), try s.e.literal("false"), try s.e.literal("null"),
      ]
      if depth > 0 {
        let inner = try s.anyValue(depth - 1)
        let member = try s.e.sequence([try s.anyKey(), try s.colon(), inner])
        branches.append(try s.list(open: "{", close: "}", first: member, member, least: 0, most: nil))
        branches.append(try s.list(open: "[", close: "]", first: inner, inner, least: 0, most: nil))
      }
      return try s.e.named(try s.e.choice(branches))
    }
  }

  /// Items separated by commas, in brackets.
  mutating func list(
    open: StaticString, close: StaticString, first: Int32, _ item: Int32, least: Int, most: Int?
  ) throws(ConstraintError) -> Int32 {
    let more = try e.repeated(try e.sequence([try comma(), item]), max(0, least - 1), most.map { max(0, $0 - 1) })
    let filled = try e.sequence([try space(), first, more, try space()])
    let inside = most == 0 ? try e.empty() : least == 0 ? try e.optional(filled) : filled
    return try e.sequence([try e.literal(open), inside, try e.literal(close)])
  }

  mutating func anyKey() throws(ConstraintError) -> Int32 {
    try common(.key) { (s) throws(ConstraintError) in
      let quote = try s.e.literal("\"")
      return try s.e.named(try s.e.sequence([quote, try s.e.repeated(try s.e.scalars(Self.plain), 0, 64), quote]))
    }
  }
}
