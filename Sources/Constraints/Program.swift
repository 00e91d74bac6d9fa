// SPDX-License-Identifier: Apache-2.0

/// A byte automaton with calls, compiled from expressions. A node accepts a byte, branches, or calls a rule or a counted repetition and
/// continues after it.
struct Program {
  enum Kind: UInt8 {
    /// Accepts a scalar of set `a`, then `b`.
    case scalars
    /// Accepts a byte by one of `b` edges from `a` on.
    case edges
    /// Continues at each of `b` targets from `a` on, without consuming a byte.
    case split
    /// Runs callable `a`, then `b`.
    case call
    /// Runs callable `a` as often as its loop allows, then `b`.
    case loop
    /// End of a callable.
    case end
    /// End of the answer.
    case accept
  }

  struct Node {
    var kind: Kind
    var a: Int32 = 0
    var b: Int32 = 0
  }

  struct Edge {
    var low, high: UInt8
    var target: Int32
  }

  struct CharacterClass {
    /// Bit set of the bytes below 0x80.
    var ascii: (UInt64, UInt64) = (0, 0)
    /// Node with the edges of longer characters' first byte, which end in `end`; −1: none.
    var longer: Int32 = -1
    /// Number of characters, and the first of them.
    var size = 0
    var example = Example()

    mutating func leaveOut(_ byte: UInt8) {
      if byte < 64 { ascii.0 &= ~(1 << UInt64(byte)) } else { ascii.1 &= ~(1 << UInt64(byte & 63)) }
    }

    func takes(_ byte: UInt8) -> Bool {
      byte < 64 ? ascii.0 >> UInt64(byte) & 1 == 1 : byte < 128 ? ascii.1 >> UInt64(byte - 64) & 1 == 1 : false
    }
  }

  /// One character.
  struct Example {
    var scalar: Unicode.Scalar = "\0"
    var bytes: Unicode.UTF8.EncodedScalar { Unicode.UTF8.encode(scalar) ?? Unicode.UTF8.encodedReplacementCharacter }
  }

  /// A rule, or the body of a loop.
  struct Callable {
    var entry: Int32
    var isNullable: Bool
    /// Callables that it can call before consuming a byte have a lower order.
    var order: Int32
    /// Of a loop; `most` −1: unbounded.
    var least: Int32 = 0
    var most: Int32 = 0
  }

  fileprivate(set) var nodes: [Node] = []
  fileprivate(set) var edges: [Edge] = []
  fileprivate(set) var targets: [Int32] = []
  fileprivate(set) var classes: [CharacterClass] = []
  /// Characters of each class.
  fileprivate(set) var sets: [ScalarSet] = []
  fileprivate(set) var callables: [Callable] = []
  fileprivate(set) var start: Int32 = 0
  /// Equivalence classes of bytes: those that no node distinguishes have one number.
  private(set) var byteClass: [UInt8] = []
  private(set) var byteClasses = 1

  /// - Throws: `unsatisfiable` where no text matches.
  init(_ e: Expressions, start: Int32) throws(ConstraintError) {
    let facts = try ExpressionFacts(e)
    guard facts.isProductive[Int(start)] else { throw .unsatisfiable }
    var builder = ProgramBuilder(e, facts)
    try builder.build(start)
    self = builder.program
    numberBytes()
  }

  fileprivate init() {}

  var byteCount: Int {
    nodes.count * MemoryLayout<Node>.stride + edges.count * MemoryLayout<Edge>.stride + targets.count * 4
      + classes.count * MemoryLayout<CharacterClass>.stride + sets.reduce(0) { $0 + $1.spans.count * 8 } + callables.count
      * MemoryLayout<Callable>.stride
  }

  func edges(of node: Int32) -> ArraySlice<Edge> { edges[Int(nodes[Int(node)].a)..<Int(nodes[Int(node)].a + nodes[Int(node)].b)] }

  /// The target of a node's edge; −1: none.
  func target(_ node: Int32, _ byte: UInt8) -> Int32 {
    let (first, count) = (Int(nodes[Int(node)].a), Int(nodes[Int(node)].b))
    var (a, b) = (first, first + count)
    while a < b {
      let middle = (a + b) / 2
      if edges[middle].high < byte { a = middle + 1 } else { b = middle }
    }
    return a < first + count && edges[a].low <= byte ? edges[a].target : -1
  }

  private mutating func numberBytes() {
    var begins = [Bool](repeating: false, count: 257)
    for edge in edges {
      begins[Int(edge.low)] = true
      begins[Int(edge.high) + 1] = true
    }
    for item in classes {
      begins[128] = true
      for byte in 1..<UInt8(128) where item.takes(byte) != item.takes(byte - 1) { begins[Int(byte)] = true }
    }
    var number: UInt8 = 0
    byteClass = [0]
    for byte in 1..<256 {
      if begins[byte] { number += 1 }
      byteClass.append(number)
    }
    byteClasses = Int(number) + 1
  }
}

private struct ProgramBuilder {
  private let e: Expressions
  private let facts: ExpressionFacts
  fileprivate var program = Program()
  /// By rule and by set: its callable and its class; −1: not made yet.
  private var callableOfRule: [Int32]
  private var classOfSet: [Int32]
  private var pending: [Int] = []
  /// The characters of each class.
  private var classes = SequenceTable<UInt64>()
  private let end: Int32 = 0
  /// Nodes for continuation bytes, by their edges.
  private var continuations = SequenceTable<UInt64>()
  private var continuationNodes: [Int32] = []

  init(_ e: Expressions, _ facts: ExpressionFacts) {
    self.e = e
    self.facts = facts
    callableOfRule = Array(repeating: -1, count: e.rules.count)
    classOfSet = Array(repeating: -1, count: e.sets.count)
  }

  mutating func build(_ start: Int32) throws(ConstraintError) {
    _ = try add(.init(kind: .end))
    let accept = try add(.init(kind: .accept))
    program.start = try emit(start, accept)
    while let rule = pending.popLast() {
      let entry = try emit(e.rules[rule], end)
      program.callables[Int(callableOfRule[rule])].entry = entry
    }
  }

  private mutating func add(_ node: Program.Node) throws(ConstraintError) -> Int32 {
    guard program.nodes.count + program.edges.count + program.targets.count < 4 * ConstraintBounds.nodeLimit else {
      throw .tooLarge("an automaton of more than \(4 * ConstraintBounds.nodeLimit) parts")
    }
    try e.bounds.check(program.nodes.count)
    program.nodes.append(node)
    return Int32(program.nodes.count - 1)
  }

  private mutating func split(_ targets: [Int32]) throws(ConstraintError) -> Int32 {
    if targets.count == 1 { return targets[0] }
    let start = Int32(program.targets.count)
    program.targets += targets
    return try add(.init(kind: .split, a: start, b: Int32(targets.count)))
  }

  private mutating func branch(_ edges: [Program.Edge]) throws(ConstraintError) -> Int32 {
    let start = Int32(program.edges.count)
    program.edges += edges
    return try add(.init(kind: .edges, a: start, b: Int32(edges.count)))
  }

  /// The node to return to: never a loop itself, since returning to a loop completes one of its iterations.
  private mutating func landing(_ next: Int32) throws(ConstraintError) -> Int32 {
    guard program.nodes[Int(next)].kind == .loop else { return next }
    program.targets.append(next)
    return try add(.init(kind: .split, a: Int32(program.targets.count - 1), b: 1))
  }

  /// Compiles an expression that continues at `next`; returns its entry node.
  private mutating func emit(_ node: Int32, _ next: Int32) throws(ConstraintError) -> Int32 {
    switch e[node] {
    case .never: return try split([])
    case .empty, .start, .end: return next
    case .literal(let start, let count):
      var next = next
      for i in stride(from: start + count - 1, through: start, by: -1) {
        let byte = e.bytes[Int(i)]
        next = try branch([.init(low: byte, high: byte, target: next)])
      }
      return next
    case .scalars(let set): return try add(.init(kind: .scalars, a: try characterClass(set), b: try landing(next)))
    case .sequence(let start, let count):
      var next = next
      for part in e.parts(start, count).reversed() { next = try emit(part, next) }
      return next
    case .choice(let start, let count): return try choice(e.parts(start, count), next)
    case .repeated(let body, let least, let most): return try repeated(body, least, most, next)
    case .rule(let number):
      if let set = set(node) { return try add(.init(kind: .scalars, a: try characterClass(set), b: try landing(next))) }
      return try add(.init(kind: .call, a: try callable(number), b: try landing(next)))
    case .automaton(let number): return try automaton(e.automata[Int(number)], next)
    }
  }

  private mutating func choice(_ parts: ArraySlice<Int32>, _ next: Int32) throws(ConstraintError) -> Int32 {
    var targets: [Int32] = []
    var texts: [Range<Int>] = []
    var sets: [Int32] = []
    for part in parts where facts.isProductive[Int(part)] {
      if case .literal(let start, let count) = e[part] {
        texts.append(Int(start)..<Int(start + count))
      } else if let set = set(part) {
        sets.append(set)
      } else {
        targets.append(try emit(part, next))
      }
    }
    if sets.count > 1 {
      let spans = sets.flatMap { e.set($0).spans }
      targets.append(try add(.init(kind: .scalars, a: try characterClass(ScalarSet(spans)), b: try landing(next))))
    } else if let only = sets.first {
      targets.append(try add(.init(kind: .scalars, a: try characterClass(only), b: try landing(next))))
    }
    if !texts.isEmpty { targets.append(try trie(texts, next)) }
    return try split(targets)
  }

  /// The set of an expression that matches exactly one character, possibly through a rule; nil for others.
  private func set(_ node: Int32) -> Int32? {
    switch e[node] {
    case .scalars(let set): return set
    case .rule(let number):
      if case .scalars(let set) = e[e.rules[Int(number)]] { return set }
      return nil
    default: return nil
    }
  }

  /// Any one of several texts, with common prefixes merged.
  private mutating func trie(_ texts: [Range<Int>], _ next: Int32) throws(ConstraintError) -> Int32 {
    let bytes = e.bytes
    let sorted = texts.sorted { bytes[$0].lexicographicallyPrecedes(bytes[$1]) }
    // Trie nodes in the order of their first text: children come after their parent.
    var places: [(byte: UInt8, isEnd: Bool, parent: Int32)] = [(0, false, -1)]
    var path: [Int32] = [0]
    var previous = 0..<0
    for text in sorted {
      var common = 0
      while common < min(text.count, previous.count), bytes[text.lowerBound + common] == bytes[previous.lowerBound + common] { common += 1 }
      path.removeLast(path.count - common - 1)
      for byte in bytes[text.dropFirst(common)] {
        try e.bounds.check(places.count)
        places.append((byte, false, path[path.count - 1]))
        path.append(Int32(places.count - 1))
      }
      places[Int(path[path.count - 1])].isEnd = true
      previous = text
    }
    var edges: [[Program.Edge]] = Array(repeating: [], count: places.count)
    var root = next
    for i in places.indices.reversed() {
      let place = places[i]
      var node = next
      if !edges[i].isEmpty {
        node = try branch(edges[i].reversed())
        if place.isEnd { node = try split([node, next]) }
      }
      edges[i] = []
      if place.parent < 0 { root = node } else { edges[Int(place.parent)].append(.init(low: place.byte, high: place.byte, target: node)) }
    }
    return root
  }

  private mutating func repeated(_ body: Int32, _ least: Int32, _ most: Int32, _ next: Int32) throws(ConstraintError) -> Int32 {
    guard facts.isProductive[Int(body)] else { return least == 0 ? next : try split([]) }
    // Empty repetitions add nothing, so a nullable body may be repeated fewer times.
    let least = facts.isNullable[Int(body)] ? 0 : least
    if most == 1 { return least == 1 ? try emit(body, next) : try split([try emit(body, next), next]) }
    if most < 0, least <= 1 {
      let start = Int32(program.targets.count)
      program.targets += [next, next]
      let head = try add(.init(kind: .split, a: start, b: 2))
      let entry = try emit(body, head)
      program.targets[Int(start)] = entry
      return least == 1 ? entry : head
    }
    if case .scalars = e[body], most > 0, most <= 4 {
      var node = next
      for i in stride(from: most, to: 0, by: -1) {
        node = try emit(body, node)
        if i > least { node = try split([node, next]) }
      }
      return node
    }
    program.callables.append(.init(entry: 0, isNullable: true, order: facts.order[Int(body)], least: least, most: most))
    let number = program.callables.count - 1
    let entry = try emit(body, end)
    program.callables[number].entry = entry
    return try add(.init(kind: .loop, a: Int32(number), b: next))
  }

  private mutating func callable(_ rule: Int32) throws(ConstraintError) -> Int32 {
    if callableOfRule[Int(rule)] < 0 {
      let body = Int(e.rules[Int(rule)])
      callableOfRule[Int(rule)] = Int32(program.callables.count)
      program.callables.append(.init(entry: 0, isNullable: facts.isNullable[body], order: facts.order[body]))
      pending.append(Int(rule))
    }
    return callableOfRule[Int(rule)]
  }

  private mutating func automaton(_ automaton: Expressions.Automaton, _ next: Int32) throws(ConstraintError) -> Int32 {
    // One split per state, filled in when all states have their nodes.
    var states: [Int32] = []
    for _ in automaton.steps { states.append(try add(.init(kind: .split))) }
    for (i, steps) in automaton.steps.enumerated() {
      var targets: [Int32] = []
      for step in steps { targets.append(try emit(step.expression, states[step.target])) }
      if automaton.isAccepting[i] { targets.append(next) }
      program.nodes[Int(states[i])] = .init(kind: .split, a: Int32(program.targets.count), b: Int32(targets.count))
      program.targets += targets
    }
    return states[0]
  }

  private mutating func characterClass(_ number: Int32) throws(ConstraintError) -> Int32 {
    if classOfSet[Int(number)] < 0 { classOfSet[Int(number)] = try characterClass(e.set(number)) }
    return classOfSet[Int(number)]
  }

  private mutating func characterClass(_ set: ScalarSet) throws(ConstraintError) -> Int32 {
    let known = classes.number(of: set.packed)
    if known < program.classes.count { return Int32(known) }
    var made = Program.CharacterClass()
    for byte in UInt64(0)..<128 where set.contains(UInt32(byte)) {
      if byte < 64 { made.ascii.0 |= 1 << byte } else { made.ascii.1 |= 1 << (byte - 64) }
    }
    made.size = set.spans.reduce(0) { $0 + Int($1.high - $1.low) + 1 }
    made.example.scalar = set.spans.first.flatMap { Unicode.Scalar($0.low) } ?? "\0"
    var first: [Program.Edge] = []
    let lengths: [(range: ClosedRange<UInt32>, mark: UInt8, bytes: UInt32)] = [
      (0x80...0x7FF, 0xC0, 1), (0x800...0xFFFF, 0xE0, 2), (0x10000...0x10FFFF, 0xF0, 3),
    ]
    for length in lengths {
      let spans = set.intersection(ScalarSet(length.range)).spans
      if !spans.isEmpty { first += try branches(spans, length.mark, length.bytes) }
    }
    if !first.isEmpty { made.longer = try branch(first) }
    program.classes.append(made)
    program.sets.append(set)
    return Int32(program.classes.count - 1)
  }

  /// Edges of one byte for characters with `rest` more bytes.
  private mutating func branches(_ spans: [ScalarSet.Span], _ mark: UInt8, _ rest: UInt32) throws(ConstraintError) -> [Program.Edge] {
    let shift = 6 * rest
    let size = UInt32(1) << shift
    var found: [Program.Edge] = []
    var i = 0
    guard let first = spans.first, let last = spans.last else { return [] }
    for value in (first.low >> shift)...(last.high >> shift) {
      let base = value << shift
      while i < spans.count, spans[i].high < base { i += 1 }
      var below: [ScalarSet.Span] = []
      var j = i
      while j < spans.count, spans[j].low <= base + (size - 1) {
        below.append(.init(low: max(spans[j].low, base) - base, high: min(spans[j].high, base + (size - 1)) - base))
        j += 1
      }
      guard !below.isEmpty else { continue }
      let target = try continuation(below, rest)
      let byte = mark | UInt8(truncatingIfNeeded: value)
      if let last = found.indices.last, found[last].target == target, found[last].high &+ 1 == byte {
        found[last].high = byte
      } else {
        found.append(.init(low: byte, high: byte, target: target))
      }
    }
    return found
  }

  private mutating func continuation(_ spans: [ScalarSet.Span], _ rest: UInt32) throws(ConstraintError) -> Int32 {
    guard rest > 0 else { return end }
    let key = [UInt64(rest)] + spans.map { UInt64($0.low) << 32 | UInt64($0.high) }
    if let known = continuations.find(key) { return continuationNodes[known] }
    let node = try branch(try branches(spans, 0x80, rest - 1))
    _ = continuations.number(of: key)
    continuationNodes.append(node)
    return node
  }
}
