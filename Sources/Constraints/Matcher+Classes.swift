// SPDX-License-Identifier: Apache-2.0

/// Transitions of a state under all characters of a class: where they all lead to the same state, a run of them is followed by its length
/// alone.
extension Matcher {
  /// The effect of a class's characters on a state.
  enum Taking: UInt8 {
    case unknown
    /// All characters lead to the same state.
    case all
    /// No character is accepted.
    case none
    case some
  }

  /// The widest class all of whose characters some position accepts, and the least number of them in a row.
  mutating func run(_ state: Int) throws(ConstraintError) -> (number: Int32, count: Int32)? {
    let known = facts[state]
    if known.run >= 0 { return known.run == 0 ? nil : (known.run - 1, known.runCount) }
    var best: (number: Int32, count: Int32) = (-1, 0)
    for i in states.range(state) {
      let place = states.elements[i]
      let number = Int32(truncatingIfNeeded: place >> 32)
      let node = program.nodes[Int(number)]
      guard node.kind == .scalars, program.isWide(node.a) else { continue }
      guard best.number < 0 || program.classes[Int(node.a)].size > program.classes[Int(best.number)].size else { continue }
      var count: Int32 = 1
      if program.nodes[Int(node.b)].kind == .end {
        for k in continuations.range(Int(place & 0xFFFF_FFFF)) {
          let back = Return(continuations.elements[k])
          let loop = program.nodes[Int(back.node)]
          guard loop.kind == .loop, try begins(program.callables[Int(loop.a)].entry, with: number) else { continue }
          let most = program.callables[Int(loop.a)].most
          count = max(count, most < 0 ? .max : most - back.count)
        }
      } else if try begins(node.b, with: number) {
        count = .max
      }
      best = (node.a, count)
    }
    (facts[state].run, facts[state].runCount) = (best.number + 1, best.count)
    return best.number < 0 ? nil : best
  }

  private mutating func begins(_ node: Int32, with leaf: Int32) throws(ConstraintError) -> Bool {
    for i in try leaves(of: node) where leaves[Int(i)] == leaf { return true }
    return false
  }

  /// The chain of states after 0, 1, 2, … characters of a class, as long as all of them lead to the same state. The last state repeats for
  /// all further characters; it is `dead` where no more are accepted.
  /// - Returns: nil where this holds for all `longest` characters, else the state at which it fails.
  mutating func follow(_ chain: inout [Int], from state: Int, _ number: Int32, longest: Int) throws(ConstraintError) -> Int? {
    chain.removeAll(keepingCapacity: true)
    chain.append(state)
    while chain.count <= longest + 1 {
      let here = chain[chain.count - 1]
      switch taking(here, number) {
      case .some, .unknown: return here
      case .none:
        chain.append(Self.dead)
        return nil
      case .all: break
      }
      let next = try next(here, of: number)
      if next == here { return nil }
      chain.append(next)
    }
    return nil
  }

  private mutating func taking(_ state: Int, _ number: Int32) -> Taking {
    var found = Taking.none
    for i in states.range(state) {
      let place = Int32(truncatingIfNeeded: states.elements[i] >> 32)
      let node = program.nodes[Int(place)]
      let here: Taking
      switch node.kind {
      case .scalars: here = taking(node.a, of: number)
      case .edges: here = program.touches(place, classes[Int(number)].item) ? .some : .none
      default: here = .none
      }
      if here == .some { return .some }
      if here == .all { found = .all }
    }
    return found
  }

  /// The effect of a class's characters on a position that accepts another class.
  private mutating func taking(_ place: Int32, of number: Int32) -> Taking {
    if place == number { return .all }
    let count = Self.classLimit
    guard place < count, number < count else { return .some }
    let slot = Int(place) * count + Int(number)
    if relations.isEmpty { relations = Array(repeating: .unknown, count: count * count) }
    if relations[slot] == .unknown {
      let common = classes[Int(place)].set.intersection(classes[Int(number)].set)
      relations[slot] = common.isEmpty ? .none : common == classes[Int(number)].set ? .all : .some
    }
    return relations[slot]
  }

  /// The class without the few characters that a state, or the one after the others, treats differently from the rest; nil: there are none,
  /// or too many.
  mutating func refined(_ number: Int32, by state: Int) throws(ConstraintError) -> Int32? {
    var others: [ScalarSet.Span] = []
    for i in states.range(state) {
      let place = Int32(truncatingIfNeeded: states.elements[i] >> 32)
      let node = program.nodes[Int(place)]
      if node.kind == .edges {
        for edge in program.edges(of: place) {
          // Continuation bytes do not begin a character.
          guard edge.low < 0xC0 else { return nil }
          if edge.low < 0x80 { others.append(.init(low: UInt32(edge.low), high: UInt32(min(edge.high, 0x7F)))) }
        }
      } else if node.kind == .scalars, taking(node.a, of: number) == .some {
        others += classes[Int(node.a)].set.spans
      }
    }
    let different = ScalarSet(others).intersection(classes[Int(number)].set)
    guard !different.isEmpty, different.spans.allSatisfy({ $0.high < 0x80 }), different.spans.reduce(0, { $0 + $1.high - $1.low + 1 }) <= 16
    else { return nil }
    let set = classes[Int(number)].set.subtracting(different)
    if let known = classes.firstIndex(where: { $0.set == set }) { return Int32(known) }
    guard classes.count < min(program.classes.count + 8, Self.classLimit), let example = set.spans.first.flatMap({ Unicode.Scalar($0.low) })
    else { return nil }
    var item = classes[Int(number)].item
    for span in different.spans { for byte in span.low...span.high { item.leaveOut(UInt8(byte)) } }
    item.example.scalar = example
    var after = state
    for byte in item.example.bytes { after = try next(after, byte) }
    guard taking(after, number) == .some else { return nil }
    classes.append((item, set))
    return Int32(classes.count - 1)
  }

  /// Most classes whose pairwise relations are cached.
  private static var classLimit: Int { 64 }

  /// The state after any one character of a class, all of which are equivalent here.
  private mutating func next(_ state: Int, of number: Int32) throws(ConstraintError) -> Int {
    var here = state
    for byte in classes[Int(number)].item.example.bytes { here = try next(here, byte) }
    return here
  }
}

extension Program {
  /// Whether a class has at least 24 characters.
  func isWide(_ number: Int32) -> Bool { classes[Int(number)].size >= 24 }

  /// Whether a node may accept the first byte of a character of the class.
  fileprivate func touches(_ node: Int32, _ item: CharacterClass) -> Bool {
    for edge in edges(of: node) {
      for byte in edge.low...edge.high where byte < 0x80 ? item.takes(byte) : item.longer >= 0 && target(item.longer, byte) >= 0 { return true }
    }
    return false
  }
}
