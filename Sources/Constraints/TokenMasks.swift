// SPDX-License-Identifier: Apache-2.0

/// A set of tokens as bits.
struct TokenSet {
  var words: [UInt64]

  init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

  mutating func insert(_ id: Int32) { words[Int(id) >> 6] |= 1 << UInt64(id & 63) }
  mutating func remove(_ id: Int32) { words[Int(id) >> 6] &= ~(1 << UInt64(id & 63)) }
  func contains(_ id: Int32) -> Bool { words[Int(id) >> 6] >> UInt64(id & 63) & 1 == 1 }
  mutating func formUnion(_ other: TokenSet) { for i in words.indices { words[i] |= other.words[i] } }
  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// Sets the logits of all other tokens to −∞.
  func mask(_ logits: UnsafeMutableBufferPointer<Float>) {
    guard let base = logits.baseAddress else { return }
    let whole = min(words.count, logits.count / 64)
    words.withUnsafeBufferPointer { words in
      for i in 0..<whole {
        let (word, at) = (words[i], base + i &* 64)
        if word == 0 {
          at.update(repeating: -.infinity, count: 64)
        } else if word.nonzeroBitCount > 16 {
          var others = ~word
          while others != 0 {
            at[others.trailingZeroBitCount] = -.infinity
            others &= others &- 1
          }
        } else {
          // Few allowed tokens in this word: restore their logits.
          var (kept, rest) = (SIMD16<Float>(), word)
          for k in 0..<word.nonzeroBitCount {
            kept[k] = at[rest.trailingZeroBitCount]
            rest &= rest &- 1
          }
          at.update(repeating: -.infinity, count: 64)
          rest = word
          for k in 0..<word.nonzeroBitCount {
            at[rest.trailingZeroBitCount] = kept[k]
            rest &= rest &- 1
          }
        }
      }
    }
    for id in whole * 64..<logits.count where id >= words.count * 64 || !contains(Int32(id)) { base[id] = -.infinity }
  }
}

/// The allowed tokens of each state, computed on demand and cached within a limit.
struct TokenMasks {
  let trie: TokenTrie
  /// Cached masks, the state of each, and by state the index of its mask.
  private var masks: [TokenSet] = []
  private var owners: [Int32] = []
  private var places: [Int32] = []
  private var next = 0
  private let capacity: Int
  private var partitions: TokenPartitions
  private var steps = 0
  /// Subtrees still to visit, with the state at each.
  private var pending: [(node: Int, state: Int)] = []
  /// States after runs of characters of a class.
  private var chain: [Int] = []
  private var way: [UInt8] = []

  /// - Parameter memoryLimit: most bytes of cached masks and of the vocabulary's partitions.
  init(_ trie: TokenTrie, memoryLimit: Int) {
    self.trie = trie
    capacity = max(8, memoryLimit / 2 / max(trie.vocabulary / 8, 64))
    partitions = TokenPartitions(memoryLimit: memoryLimit / 2)
  }

  /// Partitions the vocabulary by the widest classes of a program.
  mutating func prepare(_ matcher: Matcher, _ bounds: ConstraintBounds) throws(ConstraintError) {
    try partitions.prepare(trie, matcher, bounds)
  }

  /// Empties the cache: states have new numbers.
  mutating func forget(_ program: Program) {
    partitions.forget(from: program.classes.count)
    masks.removeAll()
    owners.removeAll()
    places.removeAll()
    next = 0
  }

  /// The allowed tokens of a state, cached.
  mutating func mask(_ state: Int, _ matcher: inout Matcher, _ bounds: ConstraintBounds) throws(ConstraintError) -> TokenSet {
    if state < places.count, places[state] >= 0 { return masks[Int(places[state])] }
    let made = try make(state, &matcher, bounds)
    while places.count <= state { places.append(-1) }
    if masks.count < capacity {
      masks.append(made)
      owners.append(Int32(state))
      places[state] = Int32(masks.count - 1)
    } else {
      places[Int(owners[next])] = -1
      masks[next] = made
      owners[next] = Int32(state)
      places[state] = Int32(next)
      next = (next + 1) % capacity
    }
    return made
  }

  private mutating func make(_ state: Int, _ matcher: inout Matcher, _ bounds: ConstraintBounds) throws(ConstraintError) -> TokenSet {
    var found = TokenSet(count: trie.vocabulary)
    try walk(0, state, &matcher, bounds, &found, blanks: nil)
    return found
  }

  /// The tokens that may come first, where leading spaces are omitted.
  /// - Parameter emptyIsTaken: whether a token that is only such a space is allowed.
  mutating func first(
    _ state: Int, emptyIsTaken: Bool, _ matcher: inout Matcher, _ bounds: ConstraintBounds
  ) throws(ConstraintError) -> TokenSet {
    var found = TokenSet(count: trie.vocabulary)
    try walk(0, state, &matcher, bounds, &found, blanks: false)
    if let blank = trie.child(0, 0x20) {
      try walk(blank, state, &matcher, bounds, &found, blanks: true)
      if emptyIsTaken { insert(blank, blank + 1, into: &found, blanks: true) }
    }
    return found
  }

  /// Inserts the tokens below a node that a state accepts.
  /// - Parameter blanks: true: only tokens with an omitted leading space; false: only others; nil: all.
  private mutating func walk(
    _ root: Int, _ state: Int, _ matcher: inout Matcher, _ bounds: ConstraintBounds, _ found: inout TokenSet, blanks: Bool?
  ) throws(ConstraintError) {
    pending = [(root, state)]
    while let (node, state) = pending.popLast() {
      if try !takeRuns(node, state, &matcher, bounds, &found, blanks: blanks) {
        try takeSteps(node, state, &matcher, bounds, &found, blanks: blanks)
      }
    }
  }

  /// The same for a state that accepts runs of characters of a class.
  /// - Returns: false where it is no such state, or the class has no partition.
  private mutating func takeRuns(
    _ root: Int, _ state: Int, _ matcher: inout Matcher, _ bounds: ConstraintBounds, _ found: inout TokenSet, blanks: Bool?
  ) throws(ConstraintError) -> Bool {
    guard let run = try matcher.run(state) else { return false }
    var number = run.number
    var isExact = false
    var index: Int?
    for _ in 0..<4 {
      index = try partitions.index(of: number, trie, matcher, bounds)
      guard let index, let partition = partitions[index] else { return false }
      guard let mixed = try matcher.follow(&chain, from: state, number, longest: partition.longest) else {
        isExact = true
        break
      }
      // An unbounded run of all characters needs no refinement.
      guard run.count < partition.longest, let refined = try matcher.refined(number, by: mixed) else { break }
      number = refined
    }
    if !isExact { index = try partitions.index(of: run.number, trie, matcher, bounds) }
    guard let index, let partition = partitions[index] else { return false }
    let most = !isExact ? Int(run.count) : chain.last == Matcher.dead ? chain.count - 2 : .max
    let depth = trie.depth(root)
    if root == 0, blanks == nil {
      // Where characters differ, tokens longer than the run may be accepted too.
      if !isExact {
        guard let longer = partition.longer(than: most) else { return false }
        for id in longer {
          steps &+= 1
          try bounds.check(steps)
          if try follow(root, trie.node(of: id), state, &matcher) != Matcher.dead { found.insert(id) }
        }
      }
      found.formUnion(partition.tokens(most))
    } else {
      if !isExact, most < partition.longest { return false }
      for i in Int(trie.firstTokens[root + 1])..<Int(trie.firstTokens[Int(trie.ends[root])])
      where Int(partition.suffixes[i]) <= depth.bytes && partition.suffixes[i] < 255 && Int(trie.characters[i]) - depth.characters <= most {
        if blanks == nil || blanks == trie.isAfterSpace[i] { found.insert(trie.tokens[i]) }
      }
    }
    var i = partition.first(below: root)
    while i < partition.exits.count, partition.exits[i].node < trie.ends[root] {
      let exit = partition.exits[i]
      i = exit.isEnd ? i + 1 : Int(exit.skip)
      steps &+= 1
      try bounds.check(steps)
      let node = Int(exit.node)
      var after = state
      if isExact {
        let characters = Int(exit.characters) - depth.characters
        guard characters <= most else { continue }
        after = chain[min(characters, chain.count - 1)]
        after =
          exit.start == exit.node ? try matcher.next(after, exit.byte) : try follow(trie.parent(Int(exit.start)), node, after, &matcher)
      } else {
        after = try follow(root, node, after, &matcher)
      }
      guard after != Matcher.dead else { continue }
      insert(node, node + 1, into: &found, blanks: blanks)
      if !exit.isEnd, Int(trie.ends[node]) > node + 1 { pending.append((node, after)) }
    }
    return true
  }

  /// The state after the bytes between two nodes of the trie.
  private mutating func follow(_ from: Int, _ to: Int, _ state: Int, _ matcher: inout Matcher) throws(ConstraintError) -> Int {
    way.removeAll(keepingCapacity: true)
    var node = to
    while node > from {
      way.append(trie.bytes[node])
      node = trie.parent(node)
    }
    var (here, i) = (state, way.count - 1)
    while i >= 0, here != Matcher.dead {
      here = try matcher.next(here, way[i])
      i -= 1
    }
    return here
  }

  /// The same, byte by byte.
  private mutating func takeSteps(
    _ root: Int, _ state: Int, _ matcher: inout Matcher, _ bounds: ConstraintBounds, _ found: inout TokenSet, blanks: Bool?
  ) throws(ConstraintError) {
    var path: [(end: Int32, state: Int)] = [(trie.ends[root], state)]
    var node = root + 1
    let end = Int(trie.ends[root])
    while node < end {
      while Int(path[path.count - 1].end) <= node { path.removeLast() }
      steps &+= 1
      try bounds.check(steps)
      let next = try matcher.next(path[path.count - 1].state, trie.bytes[node])
      if next == Matcher.dead {
        node = Int(trie.ends[node])
        continue
      }
      insert(node, node + 1, into: &found, blanks: blanks)
      if Int(trie.ends[node]) - node > Self.smallSubtree, try matcher.run(next) != nil, node != root {
        if try takeRuns(node, next, &matcher, bounds, &found, blanks: blanks) {
          node = Int(trie.ends[node])
          continue
        }
      }
      path.append((trie.ends[node], next))
      node += 1
    }
  }

  /// Smaller subtrees are visited node by node.
  private static var smallSubtree: Int { 24 }

  /// The tokens of nodes `from ..< to`.
  private func insert(_ from: Int, _ to: Int, into found: inout TokenSet, blanks: Bool?) {
    let range = Int(trie.firstTokens[from])..<Int(trie.firstTokens[to])
    if let blanks {
      for i in range where trie.isAfterSpace[i] == blanks { found.insert(trie.tokens[i]) }
    } else {
      for i in range { found.insert(trie.tokens[i]) }
    }
  }
}
