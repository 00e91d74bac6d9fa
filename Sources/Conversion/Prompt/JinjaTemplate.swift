// SPDX-License-Identifier: Apache-2.0

/// A chat template in the subset of Jinja that published ones use. Anything else is an error.
struct JinjaTemplate {
  private indirect enum Node {
    case text(String)
    case output(JinjaExpression)
    case choice([(condition: JinjaExpression?, body: [Node])])
    case loop([String], JinjaExpression, only: JinjaExpression?, [Node])
    case set(String, member: String?, JinjaExpression)
  }

  private var nodes: [Node] = []

  init(_ source: String) throws(JinjaError) {
    guard source.utf8.count < 1 << 18 else { throw JinjaError("more than 256 KiB") }
    var parts = try JinjaLexer.parts(source)[...]
    nodes = try Self.body(&parts, until: [], depth: 0).nodes
  }

  private static func body(
    _ parts: inout ArraySlice<JinjaPart>, until ends: [String], depth: Int
  ) throws(JinjaError) -> (nodes: [Node], end: [JinjaToken]) {
    guard depth < 32 else { throw JinjaError("blocks that are nested too deeply") }
    var nodes: [Node] = []
    while let part = parts.popFirst() {
      switch part {
      case .text(let text): nodes.append(.text(text))
      case .output(let tokens): nodes.append(.output(try whole(tokens)))
      case .block(let tokens):
        guard case .name(let word)? = tokens.first else { throw JinjaError("a block without a name") }
        if ends.contains(word) { return (nodes, tokens) }
        switch word {
        case "generation", "endgeneration": break  // marks for training
        case "set": nodes.append(try set(tokens))
        case "if":
          var branches: [(condition: JinjaExpression?, body: [Node])] = []
          var condition: JinjaExpression? = try whole(Array(tokens.dropFirst()))
          while true {
            let (body, end) = try body(&parts, until: ["elif", "else", "endif"], depth: depth + 1)
            branches.append((condition, body))
            if end.first == .name("endif") { break }
            guard condition != nil else { throw JinjaError("a branch behind else") }
            condition = end.first == .name("elif") ? try whole(Array(end.dropFirst())) : nil
          }
          nodes.append(.choice(branches))
        case "for":
          var p = JinjaParser(tokens, at: 1)
          var names = [try p.name()]
          while p.take(.sign(",")) { names.append(try p.name()) }
          guard p.take(.name("in")) else { throw JinjaError("a loop without in") }
          let list = try p.or()
          let only = p.take(.name("if")) ? try p.or() : nil
          guard p.isAtEnd else { throw JinjaError("a loop that goes on") }
          nodes.append(.loop(names, list, only: only, try body(&parts, until: ["endfor"], depth: depth + 1).nodes))
        default: throw JinjaError("the block \(word)")
        }
      }
    }
    guard ends.isEmpty else { throw JinjaError("no \(ends.last ?? "")") }
    return (nodes, [])
  }

  private static func whole(_ tokens: [JinjaToken]) throws(JinjaError) -> JinjaExpression {
    var p = JinjaParser(tokens)
    let value = try p.expression()
    guard p.isAtEnd else { throw JinjaError("an expression that goes on") }
    return value
  }

  private static func set(_ tokens: [JinjaToken]) throws(JinjaError) -> Node {
    var p = JinjaParser(tokens, at: 1)
    let name = try p.name()
    let member = p.take(.sign(".")) ? try p.name() : nil
    try p.expect("=")
    let value = try p.expression()
    guard p.isAtEnd else { throw JinjaError("an assignment that goes on") }
    return .set(name, member: member, value)
  }

  func render(_ names: [String: JinjaValue]) throws(JinjaError) -> String {
    var scope = JinjaScope(names)
    var output = ""
    try Self.run(nodes, &scope, &output)
    return output
  }

  private static func run(_ nodes: [Node], _ scope: inout JinjaScope, _ output: inout String) throws(JinjaError) {
    for node in nodes {
      try scope.step()
      guard output.utf8.count < 1 << 20 else { throw JinjaError("more than a mebibyte of text") }
      switch node {
      case .text(let text): output += text
      case .output(let e):
        guard let text = try scope.value(e).text else { throw JinjaError("a list or an object as text") }
        output += text
      case .set(let name, nil, let e): scope.names[name] = try scope.value(e)
      case .set(let name, let member?, let e):
        guard case .space(let space)? = scope.names[name] else { throw JinjaError("an assignment to a member of \(name)") }
        space.values[member] = try scope.value(e)
      case .choice(let branches):
        for (condition, body) in branches {
          if let condition, try !scope.value(condition).isTrue { continue }
          try run(body, &scope, &output)
          break
        }
      case .loop(let names, let list, let only, let body):
        guard case .list(var items) = try scope.value(list) else { throw JinjaError("a loop over what is no list") }
        let outer = scope.names
        func bind(_ item: JinjaValue, _ scope: inout JinjaScope) throws(JinjaError) {
          guard names.count > 1 else { return scope.names[names[0]] = item }
          guard case .list(let parts) = item, parts.count == names.count else { throw JinjaError("a loop over pairs that are none") }
          for (name, part) in zip(names, parts) { scope.names[name] = part }
        }
        if let only {
          var kept: [JinjaValue] = []
          for item in items {
            try scope.step()
            try bind(item, &scope)
            if try scope.value(only).isTrue { kept.append(item) }
          }
          items = kept
        }
        for (i, item) in items.enumerated() {
          try scope.step()
          scope.names = outer
          try bind(item, &scope)
          scope.names["loop"] = .loop([
            "first": .bool(i == 0), "last": .bool(i == items.count - 1), "index0": .int(i), "index": .int(i + 1),
            "revindex0": .int(items.count - 1 - i), "revindex": .int(items.count - i), "length": .int(items.count),
            "previtem": i > 0 ? items[i - 1] : .undefined, "nextitem": i + 1 < items.count ? items[i + 1] : .undefined,
          ])
          try run(body, &scope, &output)
        }
        scope.names = outer
      }
    }
  }
}
