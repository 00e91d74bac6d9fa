// SPDX-License-Identifier: Apache-2.0

/// The JSON types of schemas.
enum ValueType: UInt8, CaseIterable {
  case null, boolean, integer, number, string, array, object
}

struct ValueTypes: Equatable {
  private var bits: UInt8

  static var all: ValueTypes { ValueTypes(bits: 0x7F) }
  static var none: ValueTypes { ValueTypes(bits: 0) }

  private init(bits: UInt8) { self.bits = bits }

  func contains(_ type: ValueType) -> Bool { bits >> type.rawValue & 1 == 1 }
  mutating func insert(_ type: ValueType) {
    bits |= 1 << type.rawValue
    if type == .number { bits |= 1 << ValueType.integer.rawValue }
  }
  mutating func formIntersection(_ other: ValueTypes) { bits &= other.bits }
  var isEmpty: Bool { bits == 0 }
}

/// Schemas that apply to one value together, including those applied in place (`$ref`, `allOf`, one branch of each `anyOf`).
struct Conjunction {
  enum Reason { case oneOf, not }

  var schemas: [Int32] = []
  /// Schemas that must not hold, and the schema with the keyword that excludes them.
  var excluded: [(schema: Int32, by: Int32, keyword: Reason)] = []
  /// An unsupported keyword; an error unless the values are enumerated.
  var refused: (schema: Int32, keyword: StaticString)?
}

extension JSONSchema {
  private struct Partial {
    var found = Conjunction()
    /// By schema: index of the chain that led to it.
    var origins: [Int] = []
    var todo: [(schema: Int32, chain: Int)] = []
    var choices: [[(schema: Int32, excluded: [Int32], by: Int32, chain: Int)]] = []
  }

  /// Expands schemas to alternatives, each a conjunction without `anyOf` and the like.
  mutating func expand(_ schemas: [Int32]) throws(ConstraintError) -> [Conjunction] {
    var done: [Conjunction] = []
    // The chain of schemas that led to each, to detect one that applies itself in place.
    var chains: [(schema: Int32, parent: Int)] = []
    var open = [Partial(todo: schemas.map { ($0, -1) })]
    var work = 0
    while var partial = open.popLast() {
      var isPossible = true
      while isPossible, let (schema, chain) = partial.todo.popLast() {
        work += 1
        try e.bounds.check(work)
        var above = chain
        while above >= 0 {
          guard chains[above].schema != schema else { throw error(schema, nil, "applies itself in place without end") }
          above = chains[above].parent
        }
        switch document[schema] {
        case .bool(let holds): isPossible = holds
        case .object:
          guard !partial.found.schemas.contains(schema) else { continue }
          partial.found.schemas.append(schema)
          chains.append((schema, chain))
          partial.origins.append(chains.count - 1)
          try apply(schema, chains.count - 1, to: &partial)
        default: throw error(schema, nil, "a schema is an object, true or false")
        }
      }
      guard isPossible else { continue }
      if let choice = partial.choices.popLast() {
        for branch in choice.reversed() {
          var next = partial
          next.todo.append((branch.schema, branch.chain))
          next.found.excluded += branch.excluded.map { ($0, branch.by, .oneOf) }
          open.append(next)
        }
      } else {
        refuseStrangers(&partial, chains)
        done.append(partial.found)
      }
      guard open.count + done.count <= Self.branchLimit else {
        throw error(schemas.first ?? 0, nil, "more than \(Self.branchLimit) ways to choose among branches")
      }
    }
    return done
  }

  /// Refuses `unevaluatedProperties` and `unevaluatedItems` where schemas that their own schema does not apply are in the conjunction.
  private func refuseStrangers(_ partial: inout Partial, _ chains: [(schema: Int32, parent: Int)]) {
    for keyword: StaticString in ["unevaluatedProperties", "unevaluatedItems"] {
      for schema in partial.found.schemas where document.member(schema, keyword) != nil {
        for origin in partial.origins {
          var here = origin
          while here >= 0, chains[here].schema != schema { here = chains[here].parent }
          if here < 0 { partial.found.refused = (schema, keyword) }
        }
        // A condition that does not hold evaluates nothing, but the schema made of its negation would.
        if partial.found.schemas.contains(where: { negations.contains($0) }) { partial.found.refused = (schema, keyword) }
      }
    }
  }

  private mutating func apply(_ schema: Int32, _ chain: Int, to partial: inout Partial) throws(ConstraintError) {
    for keyword: StaticString in ["$ref", "$dynamicRef"] {
      guard let reference = document.member(schema, keyword) else { continue }
      partial.todo.append((try resolve(reference, of: schema, keyword), chain))
    }
    if document.member(schema, "$recursiveRef") != nil { throw refusal(schema, "$recursiveRef") }
    if let all = document.member(schema, "allOf") {
      for part in try branches(all, schema, "allOf") { partial.todo.append((part, chain)) }
    }
    if let any = document.member(schema, "anyOf") {
      partial.choices.append(try alternatives(any, schema, "anyOf").map { ($0, [], schema, chain) })
    }
    if let one = document.member(schema, "oneOf") {
      let list = try alternatives(one, schema, "oneOf")
      partial.choices.append(list.indices.map { i in (list[i], list.indices.filter { $0 != i }.map { list[$0] }, schema, chain) })
    }
    if let other = document.member(schema, "not") {
      if let negations = try negations(of: other, at: schema) {
        partial.choices.append(negations.map { ($0, [], schema, chain) })
      } else {
        partial.found.excluded.append((other, schema, .not))
      }
    }
    if let condition = document.member(schema, "if") {
      let (positive, negative) = (document.member(schema, "then"), document.member(schema, "else"))
      if positive != nil || negative != nil {
        if let branches = try conditional(condition, positive, negative, schema) {
          partial.choices.append(branches.map { ($0, [], schema, chain) })
        } else {
          partial.found.refused = (schema, positive == nil ? "else" : "then")
        }
      }
    }
    for keyword: StaticString in ["dependentRequired", "dependentSchemas"] {
      guard let dependencies = document.member(schema, keyword) else { continue }
      guard let members = document.members(dependencies) else { throw error(schema, keyword, "is no object") }
      for (key, needed) in members {
        partial.choices.append(
          try dependency(key, needed, schema, isList: equal(utf8(keyword), "dependentRequired")).map { ($0, [], schema, chain) })
      }
    }
    if document.member(schema, "dependencies") != nil {
      throw error(schema, "dependencies", "is not of 2020-12; use dependentRequired or dependentSchemas")
    }
  }

  /// The branches one of which must hold; throws beyond `branchLimit`.
  private func alternatives(_ list: Int32, _ schema: Int32, _ keyword: StaticString) throws(ConstraintError) -> [Int32] {
    let found = try branches(list, schema, keyword)
    guard found.count <= Self.branchLimit else { throw error(schema, keyword, "more than \(Self.branchLimit) ways to choose among branches") }
    return found
  }

  private mutating func key(_ text: StaticString) throws(ConstraintError) -> Int32 { try document.addString(utf8(text)) }

  private mutating func made(_ members: [(key: Int32, value: Int32)], at schema: Int32) throws(ConstraintError) -> Int32 {
    let made = try document.addObject(members)
    document.place(made, at: schema)
    return made
  }

  /// The negation of a schema for objects, as alternatives, if it constrains members only; nil: it has other keywords.
  private mutating func negations(of schema: Int32, at place: Int32) throws(ConstraintError) -> [Int32]? {
    guard let members = document.members(schema), !members.isEmpty else { return nil }
    var found: [Int32] = []
    for (name, value) in members {
      guard let keyword = document.string(name) else { return nil }
      if equal(keyword, "required") {
        for needed in document.elements(value) ?? [] {
          let never = try document.addObject([(needed, try document.add(.bool(false)))])
          found.append(try made([(try key("type"), try key("object")), (try key("properties"), never)], at: place))
        }
      } else if equal(keyword, "properties") {
        for (property, own) in document.members(value) ?? [] {
          if case .bool(true) = document[own] { continue }
          let opposite = try made([(try key("not"), own)], at: place)
          let needed = try document.addArray([property])
          let members = try document.addObject([(property, opposite)])
          let whole = try made([(try key("type"), try key("object")), (try key("required"), needed), (try key("properties"), members)], at: place)
          self.negations.append(whole)
          found.append(whole)
        }
      } else if equal(keyword, "type") {
        guard document.string(value).map({ equal($0, "object") }) ?? false else { return nil }
      } else {
        return nil
      }
    }
    return found
  }

  /// The branches of `if`, `then` and `else`; nil where the condition cannot be negated.
  private mutating func conditional(
    _ condition: Int32, _ positive: Int32?, _ negative: Int32?, _ schema: Int32
  ) throws(ConstraintError) -> [Int32]? {
    guard let negations = try negations(of: condition, at: schema) else { return nil }
    var branches: [Int32] = []
    func all(_ parts: [Int32], _ s: inout JSONSchema) throws(ConstraintError) -> Int32 {
      let list = try s.document.addArray(parts)
      return try s.made([(try s.key("allOf"), list)], at: schema)
    }
    branches.append(try all([condition] + (positive.map { [$0] } ?? []), &self))
    for opposite in negations { branches.append(try all([opposite] + (negative.map { [$0] } ?? []), &self)) }
    return branches
  }

  /// Two branches: the member with what it requires, or without the member.
  private mutating func dependency(_ key: Int32, _ needed: Int32, _ schema: Int32, isList: Bool) throws(ConstraintError) -> [Int32] {
    var required = [key]
    var members: [(key: Int32, value: Int32)] = []
    if isList {
      guard let list = document.elements(needed) else { throw error(schema, "dependentRequired", "holds no arrays") }
      required += list
    } else {
      members.append((try self.key("allOf"), try document.addArray([needed])))
    }
    members.append((try self.key("required"), try document.addArray(required)))
    let with = try made(members, at: schema)
    let never = try document.addObject([(key, try document.add(.bool(false)))])
    let without = try made([(try self.key("properties"), never)], at: schema)
    return [with, without]
  }

  func branches(_ list: Int32, _ schema: Int32, _ keyword: StaticString) throws(ConstraintError) -> [Int32] {
    guard let parts = document.elements(list), !parts.isEmpty else { throw error(schema, keyword, "is no array of schemas") }
    return Array(parts)
  }

  /// The types that `type` allows.
  /// - Parameter infers: without `type`, the types that other keywords apply to, if any.
  func types(of conjunction: Conjunction, infers: Bool) throws(ConstraintError) -> ValueTypes {
    var types = ValueTypes.all
    var isNamed = false
    var spoken = ValueTypes.none
    for schema in conjunction.schemas {
      if let type = document.member(schema, "type") {
        isNamed = true
        types.formIntersection(try named(type, schema))
      }
      for (type, keywords) in Self.keywords where keywords.contains(where: { document.member(schema, $0) != nil }) { spoken.insert(type) }
    }
    if infers, !isNamed, !spoken.isEmpty { types = spoken }
    return types
  }

  private func named(_ type: Int32, _ schema: Int32) throws(ConstraintError) -> ValueTypes {
    let names: [(StaticString, ValueType)] = [
      ("null", .null), ("boolean", .boolean), ("integer", .integer), ("number", .number), ("string", .string), ("array", .array),
      ("object", .object),
    ]
    var found = ValueTypes.none
    for item in document.elements(type).map({ Array($0) }) ?? [type] {
      guard let text = document.string(item), let known = names.first(where: { equal(text, $0.0) }) else {
        throw error(schema, "type", "names no type of JSON")
      }
      found.insert(known.1)
    }
    return found
  }

  private static let keywords: [(ValueType, [StaticString])] = [
    (.number, ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    (.string, ["minLength", "maxLength", "pattern", "format"]),
    (.array, ["items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "unevaluatedItems"]),
    (
      .object,
      [
        "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties",
        "unevaluatedProperties",
      ]
    ),
  ]

  /// A keyword's number of items or characters.
  func count(_ schema: Int32, _ keyword: StaticString) throws(ConstraintError) -> Int? {
    guard let value = document.member(schema, keyword) else { return nil }
    guard case .number(let range) = document[value] else { throw error(schema, keyword, "is no number") }
    let number = Decimal(json: document.bytes(range))
    guard !number.isNegative, number.isInteger else { throw error(schema, keyword, "is no whole number of at least 0") }
    return number.integer ?? Int.max / 16
  }

  /// The largest value of one keyword, and the smallest of another.
  func bounds(
    _ conjunction: Conjunction, _ least: StaticString, _ most: StaticString
  ) throws(ConstraintError) -> (least: Int, most: Int?) {
    var (low, high): (Int, Int?) = (0, nil)
    for schema in conjunction.schemas {
      low = max(low, try count(schema, least) ?? 0)
      if let value = try count(schema, most) { high = min(high ?? .max, value) }
    }
    return (low, high)
  }
}
