// SPDX-License-Identifier: Apache-2.0

/// Analysis of expressions that precedes their compilation to a program.
struct ExpressionFacts {
  /// By node: whether it matches the empty text, and whether it matches any text.
  let isNullable, isProductive: [Bool]
  /// By node: everything that can begin at the same position as part of a node has a lower number than the node.
  let order: [Int32]

  init(_ e: Expressions) throws(ConstraintError) {
    for (number, rule) in e.rules.enumerated() where rule < 0 { throw .rule(name: "\(number)", problem: "is not defined") }
    let users = Users(e)
    isProductive = try users.spread(e) { node in
      switch node {
      case .empty, .literal, .scalars, .automaton, .start, .end: true
      case .repeated(_, let least, _): least == 0
      case .sequence(_, let count): count == 0
      case .never, .choice, .rule: false
      }
    }
    isNullable = try users.spread(e) { node in
      switch node {
      case .empty, .start, .end: true
      case .literal(_, let count), .sequence(_, let count): count == 0
      case .repeated(_, let least, _): least == 0
      case .automaton(let number): e.automata[Int(number)].isAccepting[0]
      case .never, .scalars, .choice, .rule: false
      }
    }
    order = try Self.order(e, isNullable)
  }

  /// Topological order: everything that a node can begin with comes before it.
  /// - Throws: `rule` for left recursion.
  private static func order(_ e: Expressions, _ isNullable: [Bool]) throws(ConstraintError) -> [Int32] {
    var order = [Int32](repeating: -1, count: e.nodes.count)
    var isOpen = [Bool](repeating: false, count: e.nodes.count)
    var next: Int32 = 0
    var path: [(node: Int32, child: Int32)] = []
    for root in e.nodes.indices where order[root] < 0 {
      path.append((Int32(root), 0))
      isOpen[root] = true
      while let (node, child) = path.last {
        try e.bounds.check(Int(next))
        let found: Int32?
        switch e[node] {
        case .sequence(let start, let count):
          let goesOn = child == 0 || isNullable[Int(e.children[Int(start + child - 1)])]
          found = child < count && goesOn ? e.children[Int(start + child)] : nil
        case .choice(let start, let count): found = child < count ? e.children[Int(start + child)] : nil
        case .repeated(let body, _, _): found = child == 0 ? body : nil
        case .rule(let number): found = child == 0 ? e.rules[Int(number)] : nil
        default: found = nil
        }
        guard let found else {
          order[Int(node)] = next
          next += 1
          isOpen[Int(node)] = false
          path.removeLast()
          continue
        }
        path[path.count - 1].child += 1
        if isOpen[Int(found)] {
          let rule = path.reversed().first { step in
            if case .rule = e[step.node] { return true }
            return false
          }
          guard case .rule(let number)? = rule.map({ e[$0.node] }) else { throw .rule(name: "0", problem: "begins with itself") }
          throw .rule(name: "\(number)", problem: "begins with itself (left recursion)")
        }
        if order[Int(found)] < 0 {
          isOpen[Int(found)] = true
          path.append((found, 0))
        }
      }
    }
    return order
  }
}

/// For each node, the nodes that it is a part of.
private struct Users {
  private var starts: [Int32]
  private var users: [Int32]

  init(_ e: Expressions) {
    var starts = [Int32](repeating: 0, count: e.nodes.count + 1)
    Self.forEachPart(e) { part, _ in starts[Int(part) + 1] += 1 }
    for i in 1..<max(1, starts.count) { starts[i] += starts[i - 1] }
    var users = [Int32](repeating: 0, count: Int(starts[starts.count - 1]))
    var filled = starts
    Self.forEachPart(e) { part, user in
      users[Int(filled[Int(part)])] = user
      filled[Int(part)] += 1
    }
    (self.starts, self.users) = (starts, users)
  }

  private static func forEachPart(_ e: Expressions, _ body: (_ part: Int32, _ user: Int32) -> Void) {
    for i in e.nodes.indices {
      switch e.nodes[i] {
      case .sequence(let start, let count), .choice(let start, let count):
        for part in e.parts(start, count) { body(part, Int32(i)) }
      case .repeated(let part, _, _): body(part, Int32(i))
      case .rule(let number): body(e.rules[Int(number)], Int32(i))
      default: break
      }
    }
  }

  /// Propagates a property upwards: to the nodes that `holds` names, to sequences all of whose parts have it, and to other nodes one of
  /// whose parts has it.
  func spread(_ e: Expressions, _ holds: (Expressions.Node) -> Bool) throws(ConstraintError) -> [Bool] {
    var found = e.nodes.map { holds($0) }
    var missing = e.nodes.map { node -> Int32 in if case .sequence(_, let count) = node { count } else { 1 } }
    var todo = found.indices.filter { found[$0] }
    var steps = 0
    while let node = todo.popLast() {
      for i in starts[node]..<starts[node + 1] {
        steps += 1
        try e.bounds.check(steps)
        let user = Int(users[Int(i)])
        missing[user] -= 1
        if missing[user] <= 0, !found[user] {
          found[user] = true
          todo.append(user)
        }
      }
    }
    return found
  }
}
