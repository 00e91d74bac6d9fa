// SPDX-License-Identifier: Apache-2.0

extension JSONSchema {
  /// One item of an ordered list: a member or an element.
  private struct Item {
    var expression: Int32
    var isRequired: Bool
  }

  /// Most states of a list with a minimum or maximum number of items.
  private static var stateLimit: Int { 1 << 16 }

  // MARK: objects

  mutating func object(_ conjunction: Conjunction) throws(ConstraintError) -> Int32 {
    for schema in conjunction.schemas where document.member(schema, "propertyNames") != nil {
      throw refusal(schema, "propertyNames")
    }
    let keys = try keys(of: conjunction)
    var items: [Item] = []
    for key in keys {
      let parts = try schemas(ofMember: key.name, conjunction)
      var text: [UInt8] = []
      JSONDocument.quote(key.name, into: &text)
      text.append(0x3A)
      let member = try e.sequence([try e.literal(text), try e.optional(try e.literal(" ")), try goal(parts)])
      items.append(Item(expression: member, isRequired: key.isRequired))
    }
    let (least, most) = try bounds(conjunction, "minProperties", "maxProperties")
    let free = try freeMember(conjunction, keys.map { $0.name })
    return try list(open: "{", close: "}", items, rest: free, least, most, conjunction)
  }

  /// The named members, in the schema's order.
  func keys(of conjunction: Conjunction) throws(ConstraintError) -> [(name: [UInt8], isRequired: Bool)] {
    var table = SequenceTable<UInt8>()
    var isRequired: [Bool] = []
    func put(_ name: ArraySlice<UInt8>, _ required: Bool, _ table: inout SequenceTable<UInt8>) {
      let number = table.number(of: name)
      if number == isRequired.count { isRequired.append(false) }
      if required { isRequired[number] = true }
    }
    for schema in conjunction.schemas {
      guard let properties = document.member(schema, "properties") else { continue }
      guard let members = document.members(properties) else { throw error(schema, "properties", "is no object") }
      for member in members { if let name = document.string(member.key) { put(name, false, &table) } }
    }
    for schema in conjunction.schemas {
      guard let required = document.member(schema, "required") else { continue }
      guard let names = document.elements(required) else { throw error(schema, "required", "is no array of texts") }
      for name in names {
        guard let text = document.string(name) else { throw error(schema, "required", "is no array of texts") }
        put(text, true, &table)
      }
    }
    return isRequired.indices.map { (Array(table[$0]), isRequired[$0]) }
  }

  /// The schemas of a member's value.
  mutating func schemas(ofMember name: [UInt8], _ conjunction: Conjunction) throws(ConstraintError) -> [Int32] {
    var parts: [Int32] = []
    var isEvaluated = false
    for schema in conjunction.schemas {
      var isNamed = false
      if let properties = document.member(schema, "properties"), let own = document.member(properties, name) {
        parts.append(own)
        isNamed = true
      }
      for (pattern, own) in try patternMembers(schema) {
        let isMatched = try automaton(pattern, isWhole: false, schema, "patternProperties").accepts(Self.scalars(name))
        if isMatched { parts.append(own) }
        isNamed = isNamed || isMatched
      }
      if !isNamed, let other = document.member(schema, "additionalProperties") {
        parts.append(other)
        isNamed = true
      }
      if isNamed { isEvaluated = true }
    }
    if !isEvaluated { for schema in conjunction.schemas { if let other = document.member(schema, "unevaluatedProperties") { parts.append(other) } } }
    return parts
  }

  static func scalars(_ text: some Sequence<UInt8>) -> [UInt32] { String(decoding: Array(text), as: UTF8.self).unicodeScalars.map { $0.value } }

  func patternMembers(_ schema: Int32) throws(ConstraintError) -> [(pattern: [UInt8], schema: Int32)] {
    guard let patterns = document.member(schema, "patternProperties") else { return [] }
    guard let members = document.members(patterns) else { throw error(schema, "patternProperties", "is no object") }
    return members.map { (Array(document.string($0.key) ?? []), $0.value) }
  }

  /// An unnamed member; nil: none is generated.
  private mutating func freeMember(_ conjunction: Conjunction, _ names: [[UInt8]]) throws(ConstraintError) -> Int32? {
    var values: [Int32] = []
    var keyPatterns: [ScalarAutomaton] = []
    var isOpen = names.isEmpty
    for schema in conjunction.schemas {
      let patterns = try patternMembers(schema)
      var any: [ScalarAutomaton] = []
      for pattern in patterns { any.append(try automaton(pattern.pattern, isWhole: false, schema, "patternProperties")) }
      if document.member(schema, "unevaluatedProperties") != nil { return nil }
      var takesOthers = true
      if let other = document.member(schema, "additionalProperties") {
        if case .bool(false) = document[other] { takesOthers = false } else { isOpen = true }
        values.append(other)
      }
      if patterns.isEmpty {
        if !takesOthers { return nil }
        continue
      }
      isOpen = true
      // A member that matches one pattern may match others, so its value satisfies all of them.
      values += patterns.map { $0.schema }
      guard !takesOthers else { continue }
      values.removeAll { if case .bool(false) = document[$0] { document.member(schema, "additionalProperties") == $0 } else { false } }
      keyPatterns.append(Self.union(any))
    }
    guard isOpen else { return nil }
    let quote = try e.literal("\"")
    let key: Int32
    if names.isEmpty, keyPatterns.isEmpty {
      key = try anyKey()
    } else {
      let plain = ScalarAutomaton(
        steps: [[.init(set: Self.plain, target: 0)]], isAccepting: [true])
      let automata = [plain] + keyPatterns + (names.isEmpty ? [] : [try ScalarAutomaton.except(names.map { Self.scalars($0) })])
      key = try e.named(try e.sequence([quote, try text(automata), quote]))
    }
    return try e.sequence([key, try colon(), try goal(values)])
  }

  /// Union of automata.
  private static func union(_ automata: [ScalarAutomaton]) -> ScalarAutomaton {
    var made = ScalarAutomaton(steps: [[]], isAccepting: [automata.contains { $0.isAccepting[0] }])
    for automaton in automata {
      let shift = made.steps.count
      for list in automaton.steps { made.steps.append(list.map { .init(set: $0.set, target: $0.target + shift) }) }
      made.isAccepting += automaton.isAccepting
      made.steps[0] += made.steps[shift]
    }
    return made
  }

  // MARK: arrays

  mutating func array(_ conjunction: Conjunction) throws(ConstraintError) -> Int32 {
    var (least, most) = try bounds(conjunction, "minItems", "maxItems")
    var (named, isOpen, isUnique) = (0, false, false)
    var contained: [Int32] = []
    var hasItems = false
    for schema in conjunction.schemas {
      if let prefix = document.member(schema, "prefixItems") { named = max(named, try branches(prefix, schema, "prefixItems").count) }
      if let items = document.member(schema, "items") {
        if case .array = document[items] { throw error(schema, "items", "an array is not of 2020-12; use prefixItems") }
        hasItems = true
        if case .bool(false) = document[items] {
          most = min(
            most ?? .max,
            try document.member(schema, "prefixItems").map { (p) throws(ConstraintError) in try branches(p, schema, "prefixItems").count } ?? 0)
        }
      }
      if document.member(schema, "additionalItems") != nil, document.member(schema, "prefixItems") != nil {
        throw error(schema, "additionalItems", "is not of 2020-12; use items")
      }
      if let unique = document.member(schema, "uniqueItems"), case .bool(true) = document[unique] { isUnique = true }
      if document.member(schema, "unevaluatedItems") != nil { isOpen = true }
      if let part = document.member(schema, "contains") {
        let needed = try count(schema, "minContains") ?? 1
        if document.member(schema, "maxContains") != nil { throw refusal(schema, "maxContains") }
        guard contained.isEmpty || needed == 0, needed <= 64 else { throw refusal(schema, "contains") }
        contained += Array(repeating: part, count: needed)
      }
    }
    least = max(least, contained.count)
    // Without `items`, elements beyond the named ones are generated only as far as required; where unevaluated ones are restricted, only those
    // that `contains` asks for.
    if !hasItems, isOpen || named > 0 { most = min(most ?? .max, max(named, isOpen ? contained.count : least)) }
    if let most, least > most { return try e.never() }
    if isUnique, most ?? .max > 1 { return try uniqueArray(conjunction, least, most) }
    if most == 0, least == 0 { return try e.literal("[]") }
    var items: [Item] = []
    for i in 0..<min(max(named, contained.count), most ?? .max) {
      var parts = try schemas(ofElement: i, conjunction)
      if i < contained.count { parts.append(contained[i]) }
      items.append(Item(expression: try goal(parts), isRequired: i < least))
    }
    let rest = most.map { $0 > items.count } ?? true ? try goal(try schemas(ofElement: .max, conjunction)) : nil
    if items.isEmpty, let rest { return try list(open: "[", close: "]", first: rest, rest, least: least, most: most) }
    return try elements(items, rest, least, most)
  }

  func schemas(ofElement index: Int, _ conjunction: Conjunction) throws(ConstraintError) -> [Int32] {
    var parts: [Int32] = []
    for schema in conjunction.schemas {
      if let prefix = document.member(schema, "prefixItems"), let named = document.elements(prefix), index < named.count {
        parts.append(named[named.startIndex + index])
      } else if let items = document.member(schema, "items") {
        parts.append(items)
      }
    }
    return parts
  }

  /// Elements in order, each only after those before it.
  private mutating func elements(_ items: [Item], _ rest: Int32?, _ least: Int, _ most: Int?) throws(ConstraintError) -> Int32 {
    var tail = try e.empty()
    if let rest {
      tail = try e.repeated(
        try e.sequence([try comma(), rest]), max(0, least - items.count), most.map { max(0, $0 - items.count) })
    }
    for (i, item) in items.enumerated().reversed() {
      let one = try e.sequence([i == 0 ? try space() : try comma(), item.expression, tail] + (i == 0 ? [try space()] : []))
      // A separate rule now and then limits the nesting of expressions.
      tail = item.isRequired ? one : try e.optional(one)
      if i % 16 == 15 { tail = try e.named(tail) }
    }
    return try e.sequence([try e.literal("["), tail, try e.literal("]")])
  }

  /// An array of unique elements: enumerated values, each at most once, in their order.
  private mutating func uniqueArray(_ conjunction: Conjunction, _ least: Int, _ most: Int?) throws(ConstraintError) -> Int32 {
    let culprit = conjunction.schemas.first { document.member($0, "uniqueItems") != nil } ?? 0
    let parts = try schemas(ofElement: .max, conjunction)
    guard !conjunction.schemas.contains(where: { document.member($0, "prefixItems") != nil || document.member($0, "contains") != nil }) else {
      throw refusal(culprit, "uniqueItems")
    }
    var values: [Int32] = []
    for part in try expand(parts) {
      guard let named = try namedValues(part) else {
        throw error(culprit, "uniqueItems", "is supported only where enum or const names the items, or with at most one item")
      }
      for value in named where !values.contains(where: { isEqual($0, value) }) {
        var isValid = true
        for schema in parts where isValid { isValid = try validates(value, schema, depth: 0) }
        if isValid { values.append(value) }
      }
    }
    var items: [Item] = []
    for value in values {
      var text: [UInt8] = []
      document.written(value, into: &text)
      items.append(Item(expression: try e.literal(text), isRequired: false))
    }
    return try list(open: "[", close: "]", items, rest: nil, least, most, conjunction)
  }

  // MARK: lists

  /// A list of items in order, some of them optional, then further items.
  private mutating func list(
    open: StaticString, close: StaticString, _ items: [Item], rest: Int32?, _ least: Int, _ most: Int?, _ conjunction: Conjunction
  ) throws(ConstraintError) -> Int32 {
    // What may follow an item depends on the number of items before it, as far as the bounds matter.
    let least = max(least, 0)
    let last = most.map { min(max($0, least), items.count + 1) } ?? min(max(least, 1), items.count + 1)
    guard last < Self.stateLimit, (items.count + 1).multipliedReportingOverflow(by: last + 1).overflow == false,
      (items.count + 1) * (last + 1) <= Self.stateLimit
    else { throw error(conjunction.schemas.first ?? 0, nil, "minProperties or maxProperties are too large for so many members") }
    let (blank, comma) = (try space(), try comma())
    func separator(_ count: Int) -> Int32 { count == 0 ? blank : comma }
    // By number of items so far: the rest of the list as parts of a sequence; nil: none.
    var tails: [[Int32]?] = []
    let end = [blank, try e.literal(close)]
    for count in 0...last {
      let needed = max(0, least - count)
      let room = most.map { max(0, $0 - count) }
      if let most, count > most {
        tails.append(nil)
      } else if rest != nil, needed > 1 {
        tails.append(nil)  // the keys of several free members may be one: they stand for a single member
      } else if let rest {
        let more = try e.repeated(
          try e.sequence([comma, rest]), count == 0 ? max(0, needed - 1) : needed, count == 0 ? room.map { max(0, $0 - 1) } : room)
        if count > 0 {
          tails.append([more] + end)
        } else {
          let filled = try e.sequence([blank, rest, more] + end)
          let choices = (needed == 0 ? [try e.literal(close)] : []) + (room == 0 ? [] : [filled])
          tails.append(choices.isEmpty ? nil : [try e.choice(choices)])
        }
      } else {
        tails.append(needed > 0 ? nil : count == 0 ? [try e.literal(close)] : end)
      }
    }
    for item in items.reversed() {
      var next: [[Int32]?] = []
      // Tails used in two places become rules.
      if !item.isRequired {
        for i in tails.indices { if let tail = tails[i] { tails[i] = [try e.named(try e.sequence(tail))] } }
      }
      for count in 0...last {
        let after = min(count + 1, last)
        let isFull = most.map { count >= $0 } ?? false
        let with: [Int32]? = isFull ? nil : tails[after].map { [separator(count), item.expression] + $0 }
        if item.isRequired {
          if let with, with.count > 48 { next.append([try e.named(try e.sequence(with))]) } else { next.append(with) }
        } else {
          let choices = try [with, tails[count]].compactMap { $0 }.map { (parts) throws(ConstraintError) in try e.sequence(parts) }
          next.append(choices.isEmpty ? nil : [try e.choice(choices)])
        }
      }
      tails = next
    }
    guard let whole = tails.first ?? nil else {
      if rest != nil, least > 1, most ?? .max >= least,
        let culprit = conjunction.schemas.first(where: { document.member($0, "minProperties") != nil })
      {
        throw error(culprit, "minProperties", "is supported up to the number of named properties and one more: free keys may repeat")
      }
      return try e.never()
    }
    return try e.sequence([try e.literal(open)] + whole)
  }
}
