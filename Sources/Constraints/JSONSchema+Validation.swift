// SPDX-License-Identifier: Apache-2.0

/// Validation of enumerated values against other schemas (2020-12).
extension JSONSchema {
  func isEqual(_ a: Int32, _ b: Int32) -> Bool {
    switch (document[a], document[b]) {
    case (.null, .null): return true
    case (.bool(let x), .bool(let y)): return x == y
    case (.number(let x), .number(let y)): return Decimal(json: document.bytes(x)) == Decimal(json: document.bytes(y))
    case (.string(let x), .string(let y)): return document.bytes(x) == document.bytes(y)
    case (.array(let x), .array(let y)):
      guard x.count == y.count else { return false }
      return zip(x, y).allSatisfy { isEqual(document.items[$0], document.items[$1]) }
    case (.object(let x), .object(let y)):
      guard x.count == y.count else { return false }
      return (document.members(a) ?? []).allSatisfy { member in
        guard let name = document.string(member.key), let other = document.member(b, name) else { return false }
        return isEqual(member.value, other)
      }
    default: return false
    }
  }

  mutating func validates(_ value: Int32, _ schema: Int32, depth: Int) throws(ConstraintError) -> Bool {
    guard depth < 64 else { throw error(schema, nil, "applies itself without end") }
    if case .bool(let holds) = document[schema] { return holds }
    guard let members = document.members(schema) else { throw error(schema, nil, "a schema is an object, true or false") }
    for (key, part) in members {
      try e.bounds.check(Int(key))
      guard let keyword = document.string(key) else { continue }
      if try !holds(keyword, part, schema, value, depth + 1) { return false }
    }
    return true
  }

  private mutating func all(_ list: Int32, _ value: Int32, _ schema: Int32, _ depth: Int) throws(ConstraintError) -> Int {
    var count = 0
    for part in try branches(list, schema, "anyOf") where try validates(value, part, depth: depth) { count += 1 }
    return count
  }

  private mutating func holds(
    _ keyword: ArraySlice<UInt8>, _ part: Int32, _ schema: Int32, _ value: Int32, _ depth: Int
  ) throws(ConstraintError) -> Bool {
    func `is`(_ name: StaticString) -> Bool { equal(keyword, name) }
    // An enum's own values are not compared with the whole list again.
    if `is`("enum"), document.parents[Int(value)].value == part { return true }
    if `is`("enum") { return (document.elements(part) ?? []).contains { isEqual($0, value) } }
    if `is`("const") { return isEqual(part, value) }
    if `is`("type") {
      let types = try types(of: Conjunction(schemas: [schema]), infers: false)
      return switch document[value] {
      case .null: types.contains(.null)
      case .bool: types.contains(.boolean)
      case .number(let range): types.contains(.number) || types.contains(.integer) && Decimal(json: document.bytes(range)).isInteger
      case .string: types.contains(.string)
      case .array: types.contains(.array)
      case .object: types.contains(.object)
      }
    }
    if `is`("$ref") { return try validates(value, try resolve(part, of: schema, "$ref"), depth: depth) }
    if `is`("$dynamicRef") { return try validates(value, try resolve(part, of: schema, "$dynamicRef"), depth: depth) }
    if `is`("allOf") { return try all(part, value, schema, depth) == (document.elements(part)?.count ?? 0) }
    if `is`("anyOf") { return try all(part, value, schema, depth) > 0 }
    if `is`("oneOf") { return try all(part, value, schema, depth) == 1 }
    if `is`("not") { return try !validates(value, part, depth: depth) }
    if `is`("if") {
      let branch = try validates(value, part, depth: depth) ? document.member(schema, "then") : document.member(schema, "else")
      guard let branch else { return true }
      return try validates(value, branch, depth: depth)
    }
    for name: StaticString in ["unevaluatedProperties", "unevaluatedItems", "$recursiveRef", "dependencies", "additionalItems"] where `is`(name) {
      throw refusal(schema, name)
    }
    switch document[value] {
    case .number(let range): return try number(Decimal(json: document.bytes(range)), keyword, schema)
    case .string(let range): return try string(document.bytes(range), keyword, part, schema)
    case .array(let range): return try array(Array(document.items[range]), keyword, part, schema, depth)
    case .object: return try object(value, keyword, part, schema, depth)
    case .null, .bool: return true
    }
  }

  private func number(_ x: Decimal, _ keyword: ArraySlice<UInt8>, _ schema: Int32) throws(ConstraintError) -> Bool {
    for name: StaticString in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] where equal(keyword, name) {
      var own = NumberRange()
      let range = try range(Conjunction(schemas: [schema]))
      (own.low, own.high, own.excludesLow, own.excludesHigh) = (range.low, range.high, range.excludesLow, range.excludesHigh)
      if let low = own.low, own.excludesLow ? x <= low : x < low { return false }
      if let high = own.high, own.excludesHigh ? high <= x : high < x { return false }
    }
    if equal(keyword, "multipleOf"), !x.isZero {
      guard let divides = try range(Conjunction(schemas: [schema])).multiple?.divides(x) else { throw refusal(schema, "multipleOf") }
      return divides
    }
    return true
  }

  private mutating func string(
    _ text: ArraySlice<UInt8>, _ keyword: ArraySlice<UInt8>, _ part: Int32, _ schema: Int32
  ) throws(ConstraintError) -> Bool {
    let scalars = Self.scalars(text)
    if equal(keyword, "minLength") { return scalars.count >= (try count(schema, "minLength") ?? 0) }
    if equal(keyword, "maxLength") { return scalars.count <= (try count(schema, "maxLength") ?? .max) }
    if equal(keyword, "pattern"), let pattern = document.string(part) {
      return try automaton(Array(pattern), isWhole: false, schema, "pattern").accepts(scalars)
    }
    if equal(keyword, "format"), let name = document.string(part), let pattern = Self.pattern(ofFormat: name) {
      return try automaton(utf8(pattern), isWhole: true, schema, "format").accepts(scalars)
    }
    return true
  }

  private mutating func array(
    _ items: [Int32], _ keyword: ArraySlice<UInt8>, _ part: Int32, _ schema: Int32, _ depth: Int
  ) throws(ConstraintError) -> Bool {
    if equal(keyword, "minItems") { return items.count >= (try count(schema, "minItems") ?? 0) }
    if equal(keyword, "maxItems") { return items.count <= (try count(schema, "maxItems") ?? .max) }
    if equal(keyword, "uniqueItems"), case .bool(true) = document[part] {
      for i in items.indices { for j in 0..<i where isEqual(items[i], items[j]) { return false } }
    }
    if equal(keyword, "prefixItems") {
      for (item, own) in zip(items, try branches(part, schema, "prefixItems")) where try !validates(item, own, depth: depth) { return false }
    }
    if equal(keyword, "items") {
      let named = document.member(schema, "prefixItems").flatMap { document.elements($0)?.count } ?? 0
      for item in items.dropFirst(named) where try !validates(item, part, depth: depth) { return false }
    }
    if equal(keyword, "contains") {
      var found = 0
      for item in items where try validates(item, part, depth: depth) { found += 1 }
      let (least, most) = (try count(schema, "minContains") ?? 1, try count(schema, "maxContains") ?? .max)
      return found >= least && found <= most
    }
    return true
  }

  private mutating func object(
    _ value: Int32, _ keyword: ArraySlice<UInt8>, _ part: Int32, _ schema: Int32, _ depth: Int
  ) throws(ConstraintError) -> Bool {
    let members = document.members(value) ?? []
    if equal(keyword, "minProperties") { return members.count >= (try count(schema, "minProperties") ?? 0) }
    if equal(keyword, "maxProperties") { return members.count <= (try count(schema, "maxProperties") ?? .max) }
    if equal(keyword, "required") {
      return (document.elements(part) ?? []).allSatisfy { name in document.string(name).flatMap { document.member(value, $0) } != nil }
    }
    if equal(keyword, "propertyNames") {
      for member in members where try !validates(member.key, part, depth: depth) { return false }
    }
    for name: StaticString in ["properties", "patternProperties", "additionalProperties"] where equal(keyword, name) {
      let only = Conjunction(schemas: [schema])
      for member in members {
        for own in try schemas(ofMember: Array(document.string(member.key) ?? []), only) where try !validates(member.value, own, depth: depth) {
          return false
        }
      }
    }
    if equal(keyword, "dependentRequired") {
      for (key, needed) in document.members(part) ?? [] where document.string(key).flatMap({ document.member(value, $0) }) != nil {
        for name in document.elements(needed) ?? [] where document.string(name).flatMap({ document.member(value, $0) }) == nil { return false }
      }
    }
    if equal(keyword, "dependentSchemas") {
      for (key, own) in document.members(part) ?? [] where document.string(key).flatMap({ document.member(value, $0) }) != nil {
        if try !validates(value, own, depth: depth) { return false }
      }
    }
    return true
  }

  // MARK: what excludes what

  /// Whether no value generated for a conjunction and type is valid under a schema. False also where this cannot be decided.
  mutating func excludes(_ conjunction: Conjunction, _ type: ValueType, _ schema: Int32, depth: Int) throws(ConstraintError) -> Bool {
    guard depth < 6 else { return false }
    for other in try expand([schema]) {
      guard other.excluded.isEmpty else { return false }
      if try !excludes(conjunction, type, other, depth) { return false }
    }
    return true
  }

  private mutating func excludes(
    _ conjunction: Conjunction, _ type: ValueType, _ other: Conjunction, _ depth: Int
  ) throws(ConstraintError) -> Bool {
    let types = try types(of: other, infers: false)
    // Numbers of type number may be integers, and integers are also numbers.
    let isPossible = type == .number ? types.contains(.integer) : types.contains(type)
    guard isPossible else { return true }
    if let named = try namedValues(other) {
      for value in named where isOf(value, type) { return false }
      return true
    }
    switch type {
    case .null, .boolean: return false
    case .integer, .number:
      let (a, b) = (try range(conjunction), try range(other))
      if let x = a.high, let y = b.low, x < y || x == y && (a.excludesHigh || b.excludesLow) { return true }
      if let x = b.high, let y = a.low, x < y || x == y && (b.excludesHigh || a.excludesLow) { return true }
      return false
    case .string:
      let (a, b) = (try bounds(conjunction, "minLength", "maxLength"), try bounds(other, "minLength", "maxLength"))
      return a.most.map { $0 < b.least } ?? false || b.most.map { $0 < a.least } ?? false
    case .array:
      let (a, b) = (try bounds(conjunction, "minItems", "maxItems"), try bounds(other, "minItems", "maxItems"))
      return a.most.map { $0 < b.least } ?? false || b.most.map { $0 < a.least } ?? false
    case .object:
      let (mine, theirs) = (try keys(of: conjunction), try keys(of: other))
      let isClosed =
        !mine.isEmpty
        && !conjunction.schemas.contains { schema in
          if document.member(schema, "patternProperties") != nil { return true }
          guard let more = document.member(schema, "additionalProperties") else { return false }
          if case .bool(false) = document[more] { return false }
          return true
        }
      for key in theirs {
        let own = mine.first { $0.name == key.name }
        if key.isRequired, own == nil, isClosed { return true }
        guard own?.isRequired == true else { continue }
        if try areApart(try schemas(ofMember: key.name, conjunction), try schemas(ofMember: key.name, other), depth + 1) { return true }
      }
      // A member that is always present and that the other schema forbids.
      for key in mine where key.isRequired && !theirs.contains(where: { $0.name == key.name }) {
        for part in try schemas(ofMember: key.name, other) { if case .bool(false) = document[part] { return true } }
      }
      return false
    }
  }

  /// Whether no value generated for schemas `a` satisfies `b`.
  private mutating func areApart(_ a: [Int32], _ b: [Int32], _ depth: Int) throws(ConstraintError) -> Bool {
    for mine in try expand(a) {
      if let named = try namedValues(mine) {
        for value in named {
          var isValid = true
          for schema in a + b where isValid { isValid = try validates(value, schema, depth: 0) }
          if isValid { return false }
        }
        continue
      }
      let types = try types(of: mine, infers: true)
      for type in ValueType.allCases where types.contains(type) {
        var isApart = false
        for schema in b where !isApart { isApart = try excludes(mine, type, schema, depth: depth) }
        if !isApart { return false }
      }
    }
    return true
  }

  /// Whether all values of a type are valid under a schema, decided by its `type` alone.
  func covers(_ schema: Int32, _ type: ValueType) throws(ConstraintError) -> Bool {
    if case .bool(let holds) = document[schema] { return holds }
    for (key, _) in document.members(schema) ?? [] {
      let isAnnotation = document.string(key).map { name in
        Self.annotations.contains { equal(name, $0) } || equal(name, "type")
      }
      guard isAnnotation == true else { return false }
    }
    return try types(of: Conjunction(schemas: [schema]), infers: false).contains(type)
  }

  private static let annotations: [StaticString] = ["title", "description", "$comment", "default", "examples", "deprecated"]

  private func isOf(_ value: Int32, _ type: ValueType) -> Bool {
    switch document[value] {
    case .null: type == .null
    case .bool: type == .boolean
    case .number: type == .number || type == .integer
    case .string: type == .string
    case .array: type == .array
    case .object: type == .object
    }
  }
}
