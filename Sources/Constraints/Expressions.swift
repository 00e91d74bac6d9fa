// SPDX-License-Identifier: Apache-2.0

/// The common form of regular expressions, grammars and schemas: expressions over bytes and Unicode scalars, with rules that may refer to
/// each other. Nodes are indices; a node may be used in several places.
struct Expressions {
  enum Node {
    /// Matches nothing.
    case never
    case empty
    /// Bytes of `bytes`.
    case literal(start: Int32, count: Int32)
    /// One scalar of a set.
    case scalars(Int32)
    /// The nodes of `children` in sequence, or any one of them.
    case sequence(start: Int32, count: Int32)
    case choice(start: Int32, count: Int32)
    /// `most` −1: unbounded.
    case repeated(Int32, least: Int32, most: Int32)
    case rule(Int32)
    case automaton(Int32)
    /// Anchors of a regular expression; `resolved` and `searched` remove them.
    case start, end
  }

  /// A `ScalarAutomaton` whose transitions are expressions; every state can reach an accepting one.
  struct Automaton {
    var steps: [[(expression: Int32, target: Int)]]
    var isAccepting: [Bool]
  }

  private(set) var nodes: [Node] = []
  private(set) var children: [Int32] = []
  private(set) var bytes: [UInt8] = []
  private(set) var sets = SequenceTable<UInt64>()
  private(set) var automata: [Automaton] = []
  /// The expression of each rule; −1: not defined yet.
  private(set) var rules: [Int32] = []
  /// Scalars that the vocabulary can write; nil: all.
  let alphabet: ScalarSet?
  let bounds: ConstraintBounds

  init(alphabet: ScalarSet?, bounds: ConstraintBounds) {
    self.alphabet = alphabet
    self.bounds = bounds
  }

  private mutating func add(_ node: Node) throws(ConstraintError) -> Int32 {
    guard nodes.count + children.count < ConstraintBounds.nodeLimit else { throw .tooLarge("more than \(ConstraintBounds.nodeLimit) parts") }
    try bounds.check(nodes.count)
    nodes.append(node)
    return Int32(nodes.count - 1)
  }

  private mutating func list(_ items: [Int32]) throws(ConstraintError) -> (start: Int32, count: Int32) {
    guard nodes.count + children.count + items.count < ConstraintBounds.nodeLimit else {
      throw .tooLarge("more than \(ConstraintBounds.nodeLimit) parts")
    }
    let start = Int32(children.count)
    children += items
    return (start, Int32(items.count))
  }

  func parts(_ start: Int32, _ count: Int32) -> ArraySlice<Int32> { children[Int(start)..<Int(start + count)] }

  subscript(node: Int32) -> Node { nodes[Int(node)] }
}

extension Expressions {
  mutating func never() throws(ConstraintError) -> Int32 { try add(.never) }
  mutating func empty() throws(ConstraintError) -> Int32 { try add(.empty) }
  mutating func startAnchor() throws(ConstraintError) -> Int32 { try add(.start) }
  mutating func endAnchor() throws(ConstraintError) -> Int32 { try add(.end) }

  mutating func literal(_ text: some Collection<UInt8>) throws(ConstraintError) -> Int32 {
    guard bytes.count + text.count <= 16 * ConstraintBounds.nodeLimit else {
      throw .tooLarge("more than \(16 * ConstraintBounds.nodeLimit) bytes of text")
    }
    // A text with a scalar outside the alphabet matches nothing.
    if let alphabet {
      for scalar in String(decoding: text, as: UTF8.self).unicodeScalars where !alphabet.contains(scalar.value) { return try never() }
    }
    let start = Int32(bytes.count)
    bytes += text
    return try add(.literal(start: start, count: Int32(text.count)))
  }

  mutating func literal(_ text: StaticString) throws(ConstraintError) -> Int32 { try literal(utf8(text)) }

  mutating func scalars(_ set: ScalarSet) throws(ConstraintError) -> Int32 {
    let set = alphabet.map { set.intersection($0) } ?? set
    guard !set.isEmpty else { return try never() }
    return try add(.scalars(Int32(sets.number(of: set.packed))))
  }

  func set(_ number: Int32) -> ScalarSet { ScalarSet(packed: sets[Int(number)]) }

  mutating func sequence(_ items: [Int32]) throws(ConstraintError) -> Int32 {
    if items.count == 1 { return items[0] }
    if items.isEmpty { return try empty() }
    let (start, count) = try list(items)
    return try add(.sequence(start: start, count: count))
  }

  mutating func choice(_ items: [Int32]) throws(ConstraintError) -> Int32 {
    if items.count == 1 { return items[0] }
    if items.isEmpty { return try never() }
    let (start, count) = try list(items)
    return try add(.choice(start: start, count: count))
  }

  /// - Parameter most: nil: unbounded.
  mutating func repeated(_ item: Int32, _ least: Int, _ most: Int?) throws(ConstraintError) -> Int32 {
    if least == 1, most == 1 { return item }
    if most == 0 { return least == 0 ? try empty() : try never() }
    if let most, most < least { return try never() }
    guard least <= ConstraintBounds.countLimit else { throw .tooLarge("\(least) repetitions; at most \(ConstraintBounds.countLimit) are taken") }
    return try add(.repeated(item, least: Int32(least), most: most.map { Int32(min($0, ConstraintBounds.countLimit)) } ?? -1))
  }

  mutating func optional(_ item: Int32) throws(ConstraintError) -> Int32 { try repeated(item, 0, 1) }

  mutating func rule(_ number: Int) throws(ConstraintError) -> Int32 { try add(.rule(Int32(number))) }

  mutating func automaton(_ automaton: Automaton) throws(ConstraintError) -> Int32 {
    automata.append(automaton)
    return try add(.automaton(Int32(automata.count - 1)))
  }

  /// A new rule, to be defined later.
  mutating func newRule() throws(ConstraintError) -> Int {
    guard rules.count < ConstraintBounds.nodeLimit else { throw .tooLarge("more than \(ConstraintBounds.nodeLimit) rules") }
    rules.append(-1)
    return rules.count - 1
  }

  mutating func define(_ rule: Int, as expression: Int32) { rules[rule] = expression }

  /// A new rule for an expression, and a node that refers to it.
  mutating func named(_ expression: Int32) throws(ConstraintError) -> Int32 {
    if case .rule = self[expression] { return expression }
    let number = try newRule()
    define(number, as: expression)
    return try rule(number)
  }
}
