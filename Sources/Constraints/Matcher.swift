// SPDX-License-Identifier: Apache-2.0

/// Runs a program byte by byte. A state is the set of all positions that the program may be at; a position is a node with a continuation, the
/// set of what may follow when the node's rule ends. States and continuations are numbered as they occur, and transitions are cached, so
/// matching becomes table look-ups (a lazily determinised Earley recogniser: a rule called from several positions at once runs only
/// once).
struct Matcher {
  let program: Program
  var bounds: ConstraintBounds
  /// Most bytes of the tables.
  private let memoryLimit: Int

  /// Sets of `Return`; set 0 is empty.
  private(set) var continuations = SequenceTable<UInt64>()
  /// Sets of positions `node << 32 | continuation`, ascending; state 0 is empty.
  private(set) var states = SequenceTable<UInt64>()
  private var transitions: [Int32] = []
  var facts: [StateFacts] = []
  /// The program's classes, and those made by `refined`.
  var classes: [(item: Program.CharacterClass, set: ScalarSet)]
  /// Cached results of `taking`, by both classes.
  var relations: [Taking] = []

  /// By node: the range of its leaves in `leaves`, once computed.
  private var leafRanges: [Range<Int32>] = []
  private(set) var leaves: [Int32] = []
  private var isMet: [Bool] = []

  private var work = Work()
  private var steps = 0

  struct StateFacts {
    /// Whether the text may end here, and whether it may continue.
    var accepts = false, goesOn = false
    /// Result of `run`: the class plus one; 0: none; −1: not computed yet.
    var run: Int32 = -1
    var runCount: Int32 = 0
  }

  /// Most positions of a state.
  private static var placeLimit: Int { 1 << 15 }
  static var dead: Int { 0 }

  init(_ program: Program, memoryLimit: Int, bounds: ConstraintBounds) {
    self.program = program
    self.memoryLimit = memoryLimit
    self.bounds = bounds
    classes = program.classes.indices.map { (program.classes[$0], program.sets[$0]) }
    leafRanges = Array(repeating: -1..<0, count: program.nodes.count)
    isMet = Array(repeating: false, count: program.nodes.count)
    work.callers = Array(repeating: [], count: program.callables.count)
    _ = continuations.number(of: [])
    newState([])
  }

  /// The state before the first byte.
  mutating func start() throws(ConstraintError) -> Int {
    work.put(place: UInt64(program.start) << 32)
    return try close()
  }

  var byteCount: Int {
    continuations.byteCount + states.byteCount + transitions.count * 4 + facts.count * MemoryLayout<StateFacts>.stride + leaves.count * 4
      + leafRanges.count * 9
  }

  /// Empty tables except for one state, and its number there.
  func fresh(keeping state: Int) throws(ConstraintError) -> (matcher: Matcher, state: Int) {
    var made = Matcher(program, memoryLimit: memoryLimit, bounds: bounds)
    let places = Array(states[state])
    // A continuation refers only to lower-numbered ones.
    var isNeeded = [Bool](repeating: false, count: continuations.count)
    for place in places { isNeeded[Int(place & 0xFFFF_FFFF)] = true }
    for number in isNeeded.indices.reversed() where isNeeded[number] {
      for packed in continuations[number] { isNeeded[Int(Return(packed).continuation)] = true }
    }
    var numbers = [Int32](repeating: 0, count: continuations.count)
    for number in isNeeded.indices where isNeeded[number] {
      var set: [UInt64] = []
      for packed in continuations[number] {
        var back = Return(packed)
        back.continuation = numbers[Int(back.continuation)]
        set.append(back.packed)
      }
      set.sort()
      numbers[number] = Int32(made.continuations.number(of: set))
    }
    var kept: [UInt64] = []
    for place in places { kept.append(place & ~0xFFFF_FFFF | UInt64(UInt32(bitPattern: numbers[Int(place & 0xFFFF_FFFF)]))) }
    kept.sort()
    if kept.isEmpty { return (made, Self.dead) }
    guard made.byteCount + 8 * kept.count <= memoryLimit else { throw .cachesFull }
    made.newState(kept)
    return (made, made.states.count - 1)
  }

  /// The state after one more byte; `dead` where no text continues so.
  mutating func next(_ state: Int, _ byte: UInt8) throws(ConstraintError) -> Int {
    let slot = state &* program.byteClasses &+ Int(program.byteClass[Int(byte)])
    let known = transitions[slot]
    if known >= 0 { return Int(known) }
    let found = try step(state, byte)
    transitions[slot] = Int32(found)
    return found
  }

  func accepts(_ state: Int) -> Bool { facts[state].accepts }
  /// Whether any byte may follow.
  func goesOn(_ state: Int) -> Bool { facts[state].goesOn }

  /// The only byte that can follow; nil where there is a choice, or the text may end.
  mutating func forcedByte(_ state: Int) throws(ConstraintError) -> UInt8? {
    guard !accepts(state) else { return nil }
    var found: UInt8?
    for place in states[state] {
      let node = Int32(truncatingIfNeeded: place >> 32)
      guard program.nodes[Int(node)].kind == .edges else { return nil }
      for edge in program.edges(of: node) {
        guard edge.low == edge.high, found == nil || found == edge.low else { return nil }
        found = edge.low
      }
    }
    return found
  }

  private mutating func newState(_ places: [UInt64]) {
    let count = states.count
    guard states.number(of: places) == count else { return }
    transitions.append(contentsOf: repeatElement(-1, count: program.byteClasses))
    var fact = StateFacts()
    for place in places {
      if program.nodes[Int(place >> 32)].kind == .accept { fact.accepts = true } else { fact.goesOn = true }
    }
    if count == Self.dead {
      for i in transitions.indices { transitions[i] = 0 }
      fact.run = 0
    }
    facts.append(fact)
  }
}

// MARK: one byte

/// A return address: a node, the repetitions done, and the continuation there. Packed into 64 bits for sets.
struct Return {
  var node: Int32
  var count: Int32
  var continuation: Int32

  init(node: Int32, count: Int32, continuation: Int32) {
    (self.node, self.count, self.continuation) = (node, count, continuation)
  }

  /// 22 bits of node, 22 of continuation, 20 of count: for equal nodes and continuations the lowest count sorts first.
  init(_ packed: UInt64) {
    node = Int32(truncatingIfNeeded: packed >> 42)
    continuation = Int32(truncatingIfNeeded: packed >> 20 & 0x3F_FFFF)
    count = Int32(truncatingIfNeeded: packed & 0xF_FFFF)
  }

  var packed: UInt64 { UInt64(UInt32(bitPattern: node)) << 42 | UInt64(UInt32(bitPattern: continuation)) << 20 | UInt64(UInt32(bitPattern: count)) }
}

/// Working memory for the closure of a state, reused to save allocations.
private struct Work {
  /// Positions to expand, each once.
  var places: [UInt64] = []
  private var slots: [UInt64] = Array(repeating: .max, count: 64)
  /// Positions that accept a byte.
  var found: [UInt64] = []
  /// By callable: its callers; and the callables to expand, as a heap with the highest order first.
  var callers: [[UInt64]] = []
  var called: [UInt64] = []

  mutating func put(place: UInt64) {
    var i = Int(truncatingIfNeeded: (place &* 0x9E37_79B9_7F4A_7C15) >> 40) & (slots.count - 1)
    while slots[i] != .max {
      if slots[i] == place { return }
      i = (i + 1) & (slots.count - 1)
    }
    slots[i] = place
    places.append(place)
    if 2 * places.count > slots.count { rehash(2 * slots.count) }
  }

  private mutating func rehash(_ count: Int) {
    slots = Array(repeating: .max, count: count)
    for place in places {
      var i = Int(truncatingIfNeeded: (place &* 0x9E37_79B9_7F4A_7C15) >> 40) & (slots.count - 1)
      while slots[i] != .max { i = (i + 1) & (slots.count - 1) }
      slots[i] = place
    }
  }

  mutating func clear() {
    if slots.count > 1024 {
      slots = Array(repeating: .max, count: 64)
    } else {
      for i in slots.indices { slots[i] = .max }
    }
    places.removeAll(keepingCapacity: true)
    found.removeAll(keepingCapacity: true)
    for item in called { callers[Int(item & 0xFFFF_FFFF)].removeAll() }
    called.removeAll(keepingCapacity: true)
  }

  mutating func call(_ callable: Int32, order: Int32, by caller: UInt64) {
    if callers[Int(callable)].isEmpty { push(UInt64(UInt32(bitPattern: order)) << 32 | UInt64(UInt32(bitPattern: callable))) }
    callers[Int(callable)].append(caller)
  }

  private mutating func push(_ item: UInt64) {
    called.append(item)
    var i = called.count - 1
    while i > 0, called[(i - 1) / 2] < called[i] {
      called.swapAt(i, (i - 1) / 2)
      i = (i - 1) / 2
    }
  }

  mutating func pop() -> Int32? {
    guard let top = called.first else { return nil }
    called.swapAt(0, called.count - 1)
    called.removeLast()
    var i = 0
    while true {
      var largest = i
      for child in [2 * i + 1, 2 * i + 2] where child < called.count && called[child] > called[largest] { largest = child }
      if largest == i { break }
      called.swapAt(i, largest)
      i = largest
    }
    return Int32(truncatingIfNeeded: top & 0xFFFF_FFFF)
  }
}

extension Matcher {
  private mutating func step(_ state: Int, _ byte: UInt8) throws(ConstraintError) -> Int {
    for i in states.range(state) {
      let place = states.elements[i]
      let number = Int(place >> 32)
      let node = program.nodes[number]
      let continuation = Int32(truncatingIfNeeded: place & 0xFFFF_FFFF)
      switch node.kind {
      case .scalars:
        let item = program.classes[Int(node.a)]
        if byte < 0x80 {
          if item.takes(byte) { put(node.b, continuation) }
        } else if item.longer >= 0 {
          let target = program.target(item.longer, byte)
          guard target >= 0 else { continue }
          // The rest of the character is a rule of its own.
          if program.nodes[Int(node.b)].kind == .end {
            put(target, continuation)
          } else {
            let inner = continuations.number(of: CollectionOfOne(Return(node: node.b, count: 0, continuation: continuation).packed))
            put(target, Int32(inner))
          }
        }
      case .edges:
        let target = program.target(Int32(number), byte)
        if target >= 0 { put(target, continuation) }
      default: break
      }
    }
    return work.places.isEmpty ? Self.dead : try close()
  }

  private mutating func put(_ node: Int32, _ continuation: Int32) {
    work.put(place: UInt64(UInt32(bitPattern: node)) << 32 | UInt64(UInt32(bitPattern: continuation)))
  }

  /// The closure of `work.places`: the state of all positions reached without consuming a byte.
  private mutating func close() throws(ConstraintError) -> Int {
    defer { work.clear() }
    // First the positions after the byte and what they return to; then the calls made from there, callers before callees, so that each
    // callable is expanded once, with all its callers. A called rule that ends without a byte does not return: its callers already continued
    // past it (`leaves`).
    var i = 0
    while i < work.places.count {
      let place = work.places[i]
      i += 1
      let (node, continuation) = (Int32(truncatingIfNeeded: place >> 32), Int32(truncatingIfNeeded: place & 0xFFFF_FFFF))
      try follow(node, continuation, returns: true)
      guard i <= Self.placeLimit else { throw .tooLarge("an answer that can be read in more than \(Self.placeLimit) ways at once") }
    }
    while let callable = work.pop() {
      let callers = work.callers[Int(callable)]
      work.callers[Int(callable)].removeAll(keepingCapacity: true)
      let continuation = try self.continuation(callers, callable)
      try follow(program.callables[Int(callable)].entry, continuation, returns: false)
    }
    var places = work.found
    places.sort()
    var count = 0
    for place in places where count == 0 || places[count - 1] != place {
      places[count] = place
      count += 1
    }
    places.removeLast(places.count - count)
    guard count <= Self.placeLimit else { throw .tooLarge("an answer that can be read in more than \(Self.placeLimit) ways at once") }
    if let known = states.find(places) { return known }
    guard byteCount + 4 * program.byteClasses + 8 * count <= memoryLimit else { throw .cachesFull }
    newState(places)
    return states.count - 1
  }

  private mutating func follow(_ node: Int32, _ continuation: Int32, returns: Bool) throws(ConstraintError) {
    let range = try leaves(of: node)
    for i in range {
      let leaf = leaves[Int(i)]
      let item = program.nodes[Int(leaf)]
      steps &+= 1
      try bounds.check(steps)
      switch item.kind {
      case .scalars, .edges, .accept:
        work.found.append(UInt64(UInt32(bitPattern: leaf)) << 32 | UInt64(UInt32(bitPattern: continuation)))
      case .call:
        let order = program.callables[Int(item.a)].order
        if program.nodes[Int(item.b)].kind == .end {
          // Tail call: the callee returns to this rule's callers.
          for k in continuations.range(Int(continuation)) { work.call(item.a, order: order, by: continuations.elements[k]) }
        } else {
          work.call(item.a, order: order, by: Return(node: item.b, count: 0, continuation: continuation).packed)
        }
      case .loop:
        work.call(item.a, order: program.callables[Int(item.a)].order, by: Return(node: leaf, count: 0, continuation: continuation).packed)
      case .end:
        guard returns else { continue }
        for k in continuations.range(Int(continuation)) {
          let back = Return(continuations.elements[k])
          let node = program.nodes[Int(back.node)]
          guard node.kind == .loop else {
            put(back.node, back.continuation)
            continue
          }
          let loop = program.callables[Int(node.a)]
          // Of an unbounded loop, counts beyond the minimum are equivalent.
          let done = loop.most < 0 ? min(back.count + 1, loop.least) : back.count + 1
          if done >= loop.least { put(node.b, back.continuation) }
          if loop.most < 0 || done < loop.most {
            work.call(node.a, order: loop.order, by: Return(node: back.node, count: done, continuation: back.continuation).packed)
          }
        }
      case .split: break
      }
    }
  }

  /// The number of a set of callers. Of loop iterations past the minimum, the lowest count subsumes the others.
  private mutating func continuation(_ callers: [UInt64], _ callable: Int32) throws(ConstraintError) -> Int32 {
    var set = callers
    set.sort()
    var count = 0
    let least = program.callables[Int(callable)].least
    for packed in set {
      if count > 0 {
        if set[count - 1] == packed { continue }
        let (last, this) = (Return(set[count - 1]), Return(packed))
        let isLoop = program.nodes[Int(this.node)].kind == .loop && program.nodes[Int(this.node)].a == callable
        if isLoop, last.node == this.node, last.continuation == this.continuation, last.count >= least { continue }
      }
      set[count] = packed
      count += 1
    }
    set.removeLast(set.count - count)
    guard count <= Self.placeLimit else { throw .tooLarge("an answer that can be read in more than \(Self.placeLimit) ways at once") }
    let number = continuations.number(of: set)
    guard number < 1 << 22 else { throw .cachesFull }
    return Int32(number)
  }

  /// The nodes with an effect that a node reaches without consuming a byte: through branches, and past nullable calls.
  mutating func leaves(of node: Int32) throws(ConstraintError) -> Range<Int32> {
    let known = leafRanges[Int(node)]
    if known.lowerBound >= 0 { return known }
    let start = leaves.count
    var todo = [node]
    var met: [Int32] = []
    while let next = todo.popLast() {
      guard !isMet[Int(next)] else { continue }
      isMet[Int(next)] = true
      met.append(next)
      steps &+= 1
      try bounds.check(steps)
      let item = program.nodes[Int(next)]
      switch item.kind {
      case .split: for i in item.a..<item.a + item.b { todo.append(program.targets[Int(i)]) }
      case .call:
        leaves.append(next)
        if program.callables[Int(item.a)].isNullable { todo.append(item.b) }
      case .loop:
        leaves.append(next)
        if program.callables[Int(item.a)].least == 0 { todo.append(item.b) }
      case .scalars, .edges, .end, .accept: leaves.append(next)
      }
    }
    for item in met { isMet[Int(item)] = false }
    let range = Int32(start)..<Int32(leaves.count)
    leafRanges[Int(node)] = range
    guard leaves.count * 4 <= memoryLimit else { throw .cachesFull }
    return range
  }
}
