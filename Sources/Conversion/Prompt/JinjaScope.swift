// SPDX-License-Identifier: Apache-2.0

/// The variables of a template being rendered, and the evaluation of expressions.
struct JinjaScope {
  var names: [String: JinjaValue]
  private var steps = 0

  init(_ names: [String: JinjaValue]) { self.names = names }

  mutating func step(_ count: Int = 1) throws(JinjaError) {
    steps += count
    guard steps < 200_000 else { throw JinjaError("too many steps") }
  }

  /// Large values cost more steps, since what is done with them takes longer.
  mutating func value(_ e: JinjaExpression) throws(JinjaError) -> JinjaValue {
    let value = try evaluated(e)
    try step(1 + size(value) / 64)
    return value
  }

  private static let mostBytes = 1 << 20

  /// About the bytes of a value and of all in it, which are bounded: a loop can double a value, or put it into itself.
  private func size(_ value: JinjaValue, depth: Int = 0) throws(JinjaError) -> Int {
    guard depth < 32 else { throw JinjaError("values that are nested too deeply") }
    var sum = 0
    switch value {
    case .string(let text): sum = text.utf8.count
    case .list(let items): for item in items where sum <= Self.mostBytes { sum += try 8 + size(item, depth: depth + 1) }
    case .object(let members): for member in members where sum <= Self.mostBytes { sum += try 8 + size(member.value, depth: depth + 1) }
    case .space(let space): for member in space.values where sum <= Self.mostBytes { sum += try 8 + size(member.value, depth: depth + 1) }
    case .loop(let members): for member in members where sum <= Self.mostBytes { sum += try 8 + size(member.value, depth: depth + 1) }
    case .undefined, .none, .bool, .int: break
    }
    guard sum <= Self.mostBytes else { throw JinjaError("more than a mebibyte in a value") }
    return sum
  }

  private mutating func evaluated(_ e: JinjaExpression) throws(JinjaError) -> JinjaValue {
    switch e {
    case .value(let value): return value
    case .name(let name): return names[name] ?? .undefined
    case .list(let items): return .list(try values(items))
    case .not(let e): return .bool(try !value(e).isTrue)
    case .choice(let condition, let a, let b):
      if try value(condition).isTrue { return try value(a) }
      guard let b else { return .undefined }
      return try value(b)
    case .member(let e, let key): return try member(try value(e), try value(key))
    case .slice(let e, let first, let last):
      let list = try value(e)
      let start: JinjaValue? = if let first { try value(first) } else { nil }
      let end: JinjaValue? = if let last { try value(last) } else { nil }
      return try slice(list, start, end)
    case .binary(let sign, let a, let b): return try binary(sign, a, b)
    case .test(let e, let name): return .bool(try test(try value(e), name))
    case .filter(let e, let name, let plain, let named): return try filter(try value(e), name, try arguments(of: name, plain, named))
    case .call(.name(let function), let plain, let named): return try call(function, plain, named)
    case .call(.member(let e, .value(.string(let name))), let plain, let named):
      guard named.isEmpty else { throw JinjaError("named arguments of \(name)") }
      return try method(try value(e), name, try values(plain))
    case .call: throw JinjaError("a call of what is no function")
    }
  }

  private mutating func values(_ list: [JinjaExpression]) throws(JinjaError) -> [JinjaValue] {
    var values: [JinjaValue] = []
    for e in list { values.append(try value(e)) }
    return values
  }

  /// Names of the filters' parameters, in order. A filter that is not here has none.
  private static let parameters = ["default": ["default_value", "boolean"], "d": ["default_value", "boolean"], "join": ["d"]]

  /// One for each of a filter's parameters, nil where none is given; those of `selectattr` and `rejectattr` as they are.
  private mutating func arguments(
    of filter: String, _ plain: [JinjaExpression], _ named: [(String, JinjaExpression)]
  ) throws(JinjaError) -> [JinjaValue?] {
    var arguments: [JinjaValue?] = try values(plain)
    if filter == "selectattr" || filter == "rejectattr", named.isEmpty { return arguments }
    let parameters = Self.parameters[filter] ?? []
    guard arguments.count <= parameters.count else { throw JinjaError("such arguments of the filter \(filter)") }
    while arguments.count < parameters.count { arguments.append(nil) }
    for (name, e) in named {
      guard let place = parameters.firstIndex(of: name), arguments[place] == nil else {
        throw JinjaError("such an argument \(name) of the filter \(filter)")
      }
      arguments[place] = try value(e)
    }
    return arguments
  }

  private func member(_ value: JinjaValue, _ key: JinjaValue) throws(JinjaError) -> JinjaValue {
    switch (value, key) {
    case (.object, .string(let name)), (.space, .string(let name)): return value.member(name)
    case (.loop(let members), .string(let name)):
      guard let found = members[name] else { throw JinjaError("loop.\(name)") }
      return found
    case (.list(let items), .int(let i)):
      let place = i < 0 ? items.count + i : i
      return items.indices.contains(place) ? items[place] : .undefined
    case (.string, .int): throw JinjaError("a character of a text")
    case (.string, .string), (.list, .string): return .undefined
    default: throw JinjaError("a member of what has none")
    }
  }

  private func slice(_ value: JinjaValue, _ first: JinjaValue?, _ last: JinjaValue?) throws(JinjaError) -> JinjaValue {
    guard case .list(let items) = value else { throw JinjaError("a part of what is no list") }
    func place(_ bound: JinjaValue?, _ fallback: Int) throws(JinjaError) -> Int {
      guard let bound else { return fallback }
      guard case .int(let i) = bound else { throw JinjaError("a place that is no number") }
      return min(max(i < 0 ? items.count &+ i : i, 0), items.count)
    }
    let (start, end) = (try place(first, 0), try place(last, items.count))
    return .list(start < end ? Array(items[start..<end]) : [])
  }

  private mutating func binary(_ sign: String, _ a: JinjaExpression, _ b: JinjaExpression) throws(JinjaError) -> JinjaValue {
    let left = try value(a)
    switch sign {
    case "or": return left.isTrue ? left : try value(b)
    case "and": return left.isTrue ? try value(b) : left
    default: break
    }
    let right = try value(b)
    switch (sign, left, right) {
    case ("==", _, _): return .bool(left == right)
    case ("!=", _, _): return .bool(!(left == right))
    case ("~", _, _):
      guard let x = left.text, let y = right.text else { throw JinjaError("a list or an object as text") }
      return .string(x + y)
    case ("+", .string(let x), .string(let y)): return .string(x + y)
    case ("+", .list(let x), .list(let y)): return .list(x + y)
    case ("in", .string(let x), .string(let y)): return .bool(x.isEmpty || y.utf8.contains(x.utf8))
    case ("in", _, .list(let items)): return .bool(items.contains { $0 == left })
    case ("in", .string(let x), .object(let members)): return .bool(members.contains { $0.key == x })
    case (_, .int(let x), .int(let y)):
      let results: (partial: Int, overflow: Bool)
      switch sign {
      case "<": return .bool(x < y)
      case ">": return .bool(x > y)
      case "<=": return .bool(x <= y)
      case ">=": return .bool(x >= y)
      case "+": results = bounded(x.addingReportingOverflow(y))
      case "-": results = bounded(x.subtractingReportingOverflow(y))
      case "*": results = bounded(x.multipliedReportingOverflow(by: y))
      case "%" where y > 0: results = ((x % y + y) % y, false)
      default: throw JinjaError("the operator \(sign)")
      }
      guard !results.overflow else { throw JinjaError("a number that is too large") }
      return .int(results.partial)
    default: throw JinjaError("the operator \(sign) between such values")
    }
  }

  private func bounded(_ x: (partialValue: Int, overflow: Bool)) -> (partial: Int, overflow: Bool) {
    (x.partialValue, x.overflow || x.partialValue.magnitude > 1 << 40)
  }

  private func test(_ value: JinjaValue, _ name: String) throws(JinjaError) -> Bool {
    switch (name, value) {
    case ("defined", .undefined), ("none", .undefined): return false
    case ("defined", _): return true
    case ("undefined", .undefined): return true
    case ("undefined", _): return false
    case ("none", .none): return true
    case ("string", .string), ("mapping", .object), ("iterable", .string), ("iterable", .list), ("iterable", .object), ("iterable", .loop),
      ("sequence", .string), ("sequence", .list), ("sequence", .object), ("number", .int), ("boolean", .bool):
      return true
    case ("true", _): return value == .bool(true)
    case ("false", _): return value == .bool(false)
    case ("none", _), ("string", _), ("mapping", _), ("iterable", _), ("sequence", _), ("number", _), ("boolean", _): return false
    default: throw JinjaError("the test \(name)")
    }
  }

  private func filter(_ value: JinjaValue, _ name: String, _ arguments: [JinjaValue?]) throws(JinjaError) -> JinjaValue {
    switch (name, value) {
    case ("trim", .string(let text)): return .string(Self.stripped(text))
    case ("upper", .string), ("lower", .string), ("capitalize", .string): return try method(value, name, [])
    case ("string", _), ("safe", .string):
      guard let text = value.text else { throw JinjaError("a list or an object as text") }
      return .string(text)
    case ("length", .list(let items)), ("count", .list(let items)): return .int(items.count)
    case ("length", .string(let text)), ("count", .string(let text)): return .int(text.unicodeScalars.count)
    case ("list", .list): return value
    case ("first", .list(let items)): return items.first ?? .undefined
    case ("last", .list(let items)): return items.last ?? .undefined
    case ("default", .undefined), ("d", .undefined): return arguments[0] ?? .string("")
    case ("default", _), ("d", _):
      // With `boolean`, for what is false as well.
      guard let boolean = arguments[1], boolean.isTrue, !value.isTrue else { return value }
      return arguments[0] ?? .string("")
    case ("join", .list(let items)):
      let texts = items.compactMap(\.text)
      guard texts.count == items.count else { throw JinjaError("a list of what is no text, joined") }
      guard let separator = (arguments[0] ?? .string("")).text else { throw JinjaError("a list or an object as text") }
      guard texts.count * separator.utf8.count <= Self.mostBytes else { throw JinjaError("more than a mebibyte in a value") }
      return .string(texts.joined(separator: separator))
    case ("selectattr", .list(let items)), ("rejectattr", .list(let items)):
      let arguments = arguments.compactMap { $0 }
      guard case .string(let attribute)? = arguments.first else { throw JinjaError("\(name) without a name") }
      var kept: [JinjaValue] = []
      for item in items {
        let found = item.member(attribute)
        let holds: Bool
        switch arguments.dropFirst().first {
        case nil: holds = found.isTrue
        case .string("equalto")?, .string("==")?, .string("eq")?:
          guard arguments.count == 3 else { throw JinjaError("such arguments of the filter \(name)") }
          holds = found == arguments[2]
        case .string(let test)? where arguments.count == 2: holds = try self.test(found, test)
        default: throw JinjaError("\(name) with such a test")
        }
        if holds == (name == "selectattr") { kept.append(item) }
      }
      return .list(kept)
    default: throw JinjaError("the filter \(name) of such a value")
    }
  }

  private func method(_ value: JinjaValue, _ name: String, _ arguments: [JinjaValue]) throws(JinjaError) -> JinjaValue {
    switch (name, value, arguments.first) {
    case ("strip", .string(let text), nil): return .string(Self.stripped(text))
    case ("lstrip", .string(let text), nil): return .string(Self.stripped(text, right: false))
    case ("rstrip", .string(let text), nil): return .string(Self.stripped(text, left: false))
    case ("upper", .string(let text), nil): return .string(text.uppercased())
    case ("lower", .string(let text), nil): return .string(text.lowercased())
    case ("capitalize", .string(let text), nil): return .string(text.prefix(1).uppercased() + text.dropFirst().lowercased())
    case ("title", .string(let text), nil):
      return .string(
        text.split(separator: " ", omittingEmptySubsequences: false).map { $0.prefix(1).uppercased() + $0.dropFirst().lowercased() }.joined(
          separator: " "))
    case ("startswith", .string(let text), .string(let x)?) where arguments.count == 1: return .bool(text.utf8.starts(with: x.utf8))
    case ("endswith", .string(let text), .string(let x)?) where arguments.count == 1:
      return .bool(text.utf8.reversed().starts(with: x.utf8.reversed()))
    case ("replace", .string(let text), .string(let x)?):
      guard arguments.count == 2, case .string(let y) = arguments[1], !x.isEmpty else { throw JinjaError("such a replace") }
      guard text.utf8.count / x.utf8.count * y.utf8.count <= Self.mostBytes else { throw JinjaError("more than a mebibyte in a value") }
      return .string(Self.pieces(of: text, by: x).joined(separator: y))
    case ("split", .string(let text), .string(let x)?) where !x.isEmpty:
      var splits = Int.max
      if arguments.count > 1 {
        guard arguments.count == 2, case .int(let most) = arguments[1] else { throw JinjaError("such a split") }
        if most >= 0 { splits = most }
      }
      return .list(Self.pieces(of: text, by: x, splits: splits).map { .string($0) })
    case ("get", .object, .string(let key)?) where arguments.count <= 2:
      let found = value.member(key)
      if case .undefined = found { return arguments.count > 1 ? arguments[1] : .none }
      return found
    default: throw JinjaError("the method \(name) of such a value")
    }
  }

  private mutating func call(
    _ name: String, _ plain: [JinjaExpression], _ named: [(String, JinjaExpression)]
  ) throws(JinjaError) -> JinjaValue {
    switch name {
    case "raise_exception":
      guard let reason = plain.first else { throw JinjaError("it refuses the conversation") }
      throw JinjaError(try value(reason).text ?? "it refuses the conversation")
    case "namespace":
      guard plain.isEmpty else { throw JinjaError("such a namespace") }
      var space: [String: JinjaValue] = [:]
      for (key, e) in named { space[key] = try value(e) }
      return .space(JinjaSpace(space))
    default: throw JinjaError("the function \(name)")
    }
  }

  /// Python's `split`. Of bytes: Swift's characters do not part "\r\n".
  private static func pieces(of text: String, by mark: String, splits: Int = .max) -> [String] {
    Array(text.utf8).split(separator: Array(mark.utf8), maxSplits: splits, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  private static func stripped(_ text: String, left: Bool = true, right: Bool = true) -> String {
    var s = text.unicodeScalars[...]
    while left, let first = s.first, first.properties.isWhitespace { s.removeFirst() }
    while right, let last = s.last, last.properties.isWhitespace { s.removeLast() }
    return String(s)
  }
}
