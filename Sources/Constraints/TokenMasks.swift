// SPDX-License-Identifier: Apache-2.0

/// Sets of tokens, a bit each.
struct TokenSet {
  var words: [UInt64]

  init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

  mutating func insert(_ id: Int32) { words[Int(id) >> 6] |= 1 << UInt64(id & 63) }
  func contains(_ id: Int32) -> Bool { words[Int(id) >> 6] >> UInt64(id & 63) & 1 == 1 }
  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// Sets the logits of all others to −∞.
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
          // Few: what they have is put back.
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

/// The tokens that may follow in each state, found when they are asked for and kept while there is room.
struct TokenMasks {
  let trie: TokenTrie
  /// Masks that were made, the state of each, and by state the place of its mask.
  private var masks: [TokenSet] = []
  private var owners: [Int32] = []
  private var places: [Int32] = []
  private var next = 0
  private let capacity: Int
  /// Tokens of some groups of bytes and up to some length.
  private var slices: [(groups: UInt64, length: Int32, tokens: TokenSet)] = []
  private var steps = 0

  /// - Parameter memoryLimit: bytes of masks that are kept.
  init(_ trie: TokenTrie, memoryLimit: Int) {
    self.trie = trie
    capacity = max(8, memoryLimit / max(trie.vocabulary / 8, 64))
  }

  /// States have new numbers.
  mutating func forget() {
    masks.removeAll()
    owners.removeAll()
    places.removeAll()
    next = 0
  }

  /// The place among masks of a state's tokens.
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
    let run = try matcher.run(state)
    // Of a run of a bounded length, tokens that surely fit.
    let lengths: [Int32] = [.max, 32, 16, 8, 4]
    guard run.groups != 0, let length = lengths.first(where: { $0 <= run.count }) else {
      var found = TokenSet(count: trie.vocabulary)
      try walk(0, state, &matcher, bounds, &found, known: nil, blanks: nil)
      return found
    }
    var found = slice(run.groups, length)
    try walk(0, state, &matcher, bounds, &found, known: (run.groups, length), blanks: nil)
    return found
  }

  /// The tokens that may come first, where blanks at the beginning are left out.
  /// - Parameter emptyIsTaken: whether a token may be nothing but such a blank.
  mutating func first(
    _ state: Int, emptyIsTaken: Bool, _ matcher: inout Matcher, _ bounds: ConstraintBounds
  ) throws(ConstraintError) -> TokenSet {
    var found = TokenSet(count: trie.vocabulary)
    try walk(0, state, &matcher, bounds, &found, known: nil, blanks: false)
    if let blank = trie.child(0, 0x20) {
      try walk(blank, state, &matcher, bounds, &found, known: nil, blanks: true)
      if emptyIsTaken { insert(blank, blank + 1, into: &found, blanks: true) }
    }
    return found
  }

  private mutating func slice(_ groups: UInt64, _ length: Int32) -> TokenSet {
    if let known = slices.first(where: { $0.groups == groups && $0.length == length }) { return known.tokens }
    var found = TokenSet(count: trie.vocabulary)
    var node = 1
    var path: [(end: Int32, groups: UInt64, depth: Int32)] = [(.max, 0, 0)]
    while node < trie.bytes.count {
      while Int(path[path.count - 1].end) <= node { path.removeLast() }
      let here = path[path.count - 1]
      let byte = ByteGroup.bit(trie.bytes[node])
      if byte & ~groups != 0 || here.depth >= length {
        node = Int(trie.ends[node])
        continue
      }
      if trie.groups[node] & ~groups == 0, here.depth + Int32(trie.heights[node]) <= length {
        insert(node, Int(trie.ends[node]), into: &found, blanks: nil)
        node = Int(trie.ends[node])
        continue
      }
      // A token of part of a character, where its bytes end: told apart by looking at the whole token.
      for i in Int(trie.firstTokens[node])..<Int(trie.firstTokens[node + 1]) where isWhole(trie.tokens[i]) { found.insert(trie.tokens[i]) }
      path.append((trie.ends[node], here.groups | byte, here.depth + 1))
      node += 1
    }
    if slices.count >= 8 { slices.removeFirst() }
    slices.append((groups, length, found))
    return found
  }

  private func isWhole(_ id: Int32) -> Bool {
    let text = trie.text(of: id)
    return Array(String(decoding: text, as: UTF8.self).utf8) == text
  }

  /// Inserts the tokens that a state takes below a node.
  /// - Parameters:
  ///   - known: tokens of these groups and this length are there already.
  ///   - blanks: only tokens that begin with a blank to be left out, or only others; nil: all.
  private mutating func walk(
    _ root: Int, _ state: Int, _ matcher: inout Matcher, _ bounds: ConstraintBounds, _ found: inout TokenSet,
    known: (groups: UInt64, length: Int32)?, blanks: Bool?
  ) throws(ConstraintError) {
    var path: [(end: Int32, state: Int, groups: UInt64, depth: Int32)] = [(trie.ends[root], state, 0, 0)]
    var node = root + 1
    let end = Int(trie.ends[root])
    while node < end {
      while Int(path[path.count - 1].end) <= node { path.removeLast() }
      let here = path[path.count - 1]
      steps &+= 1
      try bounds.check(steps)
      let below = trie.groups[node]
      let height = Int32(trie.heights[node])
      if let known, (here.groups | below) & ~known.groups == 0, here.depth + height <= known.length {
        node = Int(trie.ends[node])
        continue
      }
      let run = try matcher.run(here.state)
      if below & ~run.groups == 0, height <= run.count, run.groups != 0 {
        insert(node, Int(trie.ends[node]), into: &found, blanks: blanks)
        node = Int(trie.ends[node])
        continue
      }
      let next = try matcher.next(here.state, trie.bytes[node])
      if next == Matcher.dead {
        node = Int(trie.ends[node])
        continue
      }
      insert(node, node + 1, into: &found, blanks: blanks)
      path.append((trie.ends[node], next, here.groups | ByteGroup.bit(trie.bytes[node]), here.depth + 1))
      node += 1
    }
  }

  /// The tokens of nodes `from ..< to`.
  private func insert(_ from: Int, _ to: Int, into found: inout TokenSet, blanks: Bool?) {
    let range = Int(trie.firstTokens[from])..<Int(trie.firstTokens[to])
    if let blanks {
      for i in range where trie.isAfterBlank[i] == blanks { found.insert(trie.tokens[i]) }
    } else {
      for i in range { found.insert(trie.tokens[i]) }
    }
  }
}
