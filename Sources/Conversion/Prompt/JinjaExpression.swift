// SPDX-License-Identifier: Apache-2.0

/// An expression of the subset of Jinja that chat templates use.
indirect enum JinjaExpression {
  case value(JinjaValue)
  case name(String)
  case list([JinjaExpression])
  case member(JinjaExpression, JinjaExpression)
  case slice(JinjaExpression, JinjaExpression?, JinjaExpression?)
  case call(JinjaExpression, [JinjaExpression], [(String, JinjaExpression)])
  case filter(JinjaExpression, String, [JinjaExpression], [(String, JinjaExpression)])
  case test(JinjaExpression, String)
  case not(JinjaExpression)
  case binary(String, JinjaExpression, JinjaExpression)
  case choice(JinjaExpression, JinjaExpression, JinjaExpression?)
}

/// Parses expressions from a block's tokens.
struct JinjaParser {
  private let tokens: [JinjaToken]
  private var position: Int
  private var depth = 0

  init(_ tokens: [JinjaToken], at position: Int = 0) {
    self.tokens = tokens
    self.position = position
  }

  var isAtEnd: Bool { position >= tokens.count }

  mutating func take(_ token: JinjaToken) -> Bool {
    guard position < tokens.count, tokens[position] == token else { return false }
    position += 1
    return true
  }

  mutating func expect(_ sign: String) throws(JinjaError) {
    guard take(.sign(sign)) else { throw JinjaError("no \(sign) where one is due") }
  }

  mutating func name() throws(JinjaError) -> String {
    guard position < tokens.count, case .name(let name) = tokens[position] else { throw JinjaError("no name where one is due") }
    position += 1
    return name
  }

  /// A whole expression, with `a if b else c`.
  mutating func expression() throws(JinjaError) -> JinjaExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64 else { throw JinjaError("expressions that are nested too deeply") }
    let value = try or()
    guard take(.name("if")) else { return value }
    let condition = try or()
    return .choice(condition, value, take(.name("else")) ? try expression() : nil)
  }

  /// Without a trailing condition: the iterable of a loop.
  mutating func or() throws(JinjaError) -> JinjaExpression {
    var left = try and()
    while take(.name("or")) { left = .binary("or", left, try and()) }
    return left
  }

  private mutating func and() throws(JinjaError) -> JinjaExpression {
    var left = try not()
    while take(.name("and")) { left = .binary("and", left, try not()) }
    return left
  }

  private mutating func not() throws(JinjaError) -> JinjaExpression {
    var flips = false
    while take(.name("not")) { flips.toggle() }
    let value = try comparison()
    return flips ? .not(value) : value
  }

  private mutating func comparison() throws(JinjaError) -> JinjaExpression {
    var left = try sum()
    while true {
      if let sign = ["==", "!=", "<", ">", "<=", ">="].first(where: { take(.sign($0)) }) {
        left = .binary(sign, left, try sum())
      } else if take(.name("in")) {
        left = .binary("in", left, try sum())
      } else if position + 1 < tokens.count, tokens[position] == .name("not"), tokens[position + 1] == .name("in") {
        position += 2
        left = .not(.binary("in", left, try sum()))
      } else {
        return left
      }
    }
  }

  private mutating func sum() throws(JinjaError) -> JinjaExpression {
    var left = try product()
    while let sign = ["+", "-", "~"].first(where: { take(.sign($0)) }) { left = .binary(sign, left, try product()) }
    return left
  }

  private mutating func product() throws(JinjaError) -> JinjaExpression {
    var left = try unary()
    while let sign = ["%", "*", "//"].first(where: { take(.sign($0)) }) { left = .binary(sign, left, try unary()) }
    return left
  }

  private mutating func unary() throws(JinjaError) -> JinjaExpression {
    if take(.sign("-")) { return .binary("-", .value(.int(0)), try postfix()) }
    return try postfix()
  }

  private mutating func postfix() throws(JinjaError) -> JinjaExpression {
    var value = try primary()
    while true {
      if take(.sign(".")) {
        value = .member(value, .value(.string(try name())))
      } else if take(.sign("[")) {
        let first: JinjaExpression? = position < tokens.count && tokens[position] == .sign(":") ? nil : try expression()
        if take(.sign(":")) {
          let isOpen = position < tokens.count && tokens[position] == .sign("]")
          value = .slice(value, first, isOpen ? nil : try expression())
        } else {
          value = .member(value, first ?? .value(.undefined))
        }
        try expect("]")
      } else if take(.sign("(")) {
        let (plain, named) = try arguments()
        value = .call(value, plain, named)
      } else if take(.sign("|")) {
        let filter = try name()
        let (plain, named) = take(.sign("(")) ? try arguments() : ([], [])
        value = .filter(value, filter, plain, named)
      } else if take(.name("is")) {
        let flips = take(.name("not"))
        let test = JinjaExpression.test(value, try name())
        value = flips ? .not(test) : test
      } else {
        return value
      }
    }
  }

  private mutating func arguments() throws(JinjaError) -> (plain: [JinjaExpression], named: [(String, JinjaExpression)]) {
    var plain: [JinjaExpression] = []
    var named: [(String, JinjaExpression)] = []
    while !take(.sign(")")) {
      if position + 1 < tokens.count, case .name(let name) = tokens[position], tokens[position + 1] == .sign("=") {
        position += 2
        named.append((name, try expression()))
      } else {
        plain.append(try expression())
      }
      guard take(.sign(",")) || (position < tokens.count && tokens[position] == .sign(")")) else { throw JinjaError("a call without an end") }
    }
    return (plain, named)
  }

  private mutating func primary() throws(JinjaError) -> JinjaExpression {
    guard position < tokens.count else { throw JinjaError("an expression that ends early") }
    position += 1
    switch tokens[position - 1] {
    case .string(let text): return .value(.string(text))
    case .int(let number): return .value(.int(number))
    case .name("true"), .name("True"): return .value(.bool(true))
    case .name("false"), .name("False"): return .value(.bool(false))
    case .name("none"), .name("None"): return .value(.none)
    case .name(let name): return .name(name)
    case .sign("("):
      let value = try expression()
      try expect(")")
      return value
    case .sign("["):
      var items: [JinjaExpression] = []
      while !take(.sign("]")) {
        items.append(try expression())
        guard take(.sign(",")) || (position < tokens.count && tokens[position] == .sign("]")) else { throw JinjaError("a list without an end") }
      }
      return .list(items)
    case .sign(let sign): throw JinjaError("\(sign) where a value is due")
    }
  }
}
