// SPDX-License-Identifier: Apache-2.0

/// A stretch of text that merges into a token. Symbols form a doubly linked list in text order.
struct Symbol {
  /// Neighbours, −1 at the ends.
  var previous, next: Int32
  /// Bytes `start ..< start + length` of the text; length 0 once merged into its left neighbour.
  var start, length: Int32
  /// Its piece's id, or one of the two constants below.
  var id: Int32

  /// Not looked up yet.
  static let unresolved: Int32 = -1
  /// A user-defined symbol: never merged, looked up at the end.
  static let frozen: Int32 = -2

  var range: Range<Int> { Int(start)..<Int(start) + Int(length) }
}

/// The result of merging two neighbours. Lower ranks merge first.
protocol MergeRules {
  mutating func merge(_ left: Symbol, _ right: Symbol, in text: [UInt8]) -> (rank: UInt32, id: Int32)?
}

/// Byte-pair merging of a list of symbols: always the pair of lowest rank, the leftmost among equals.
///
/// Candidate pairs are kept in a binary heap; one that no longer matches its two symbols is dropped when it is popped.
/// O(n log n) for n symbols.
struct PairMerger {
  private struct Candidate {
    /// Rank, then index of the left symbol: the order of merging.
    var key: UInt64
    var right: Int32
    /// Bytes of both symbols when the pair was pushed. Symbols only grow, so an equal length means that neither changed.
    var length: Int32
    var id: Int32
  }

  private(set) var symbols: [Symbol] = []
  private var heap: [Candidate] = []

  mutating func removeAll() {
    symbols.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
  }

  /// Adds the next symbol of the text.
  mutating func append(_ range: Range<Int>, id: Int32) throws(TokenizerError) {
    // Memory of the symbols, and of the candidates that follow.
    try EncodingBounds.checkRoom(symbols.count, of: MemoryLayout<Symbol>.stride + 2 * MemoryLayout<Candidate>.stride)
    let index = Int32(symbols.count)
    if index > 0 { symbols[Int(index) - 1].next = index }
    symbols.append(Symbol(previous: index - 1, next: -1, start: Int32(range.lowerBound), length: Int32(range.count), id: id))
  }

  mutating func merge(_ text: [UInt8], _ rules: inout some MergeRules, _ bounds: EncodingBounds) throws(TokenizerError) {
    var i: Int32 = 1
    while i < symbols.count {
      try bounds.check(Int(i))
      propose(i - 1, i, text, &rules)
      i += 1
    }
    var merges = 0
    while let top = pop() {
      merges += 1
      try bounds.check(merges)
      let left = Int32(truncatingIfNeeded: top.key & 0xFFFF_FFFF)
      let l = symbols[Int(left)]
      let r = symbols[Int(top.right)]
      guard l.length > 0, r.length > 0, l.length + r.length == top.length else { continue }
      symbols[Int(left)].length = top.length
      symbols[Int(left)].next = r.next
      symbols[Int(left)].id = top.id
      symbols[Int(top.right)].length = 0
      if r.next >= 0 { symbols[Int(r.next)].previous = left }
      if l.previous >= 0 { propose(l.previous, left, text, &rules) }
      if r.next >= 0 { propose(left, r.next, text, &rules) }
    }
  }

  private mutating func propose(_ left: Int32, _ right: Int32, _ text: [UInt8], _ rules: inout some MergeRules) {
    let l = symbols[Int(left)]
    let r = symbols[Int(right)]
    guard l.id != Symbol.frozen, r.id != Symbol.frozen, let (rank, id) = rules.merge(l, r, in: text) else { return }
    push(Candidate(key: UInt64(rank) << 32 | UInt64(UInt32(bitPattern: left)), right: right, length: l.length + r.length, id: id))
  }

  private mutating func push(_ c: Candidate) {
    heap.append(c)
    var i = heap.count - 1
    while i > 0 {
      let parent = (i - 1) / 2
      guard c.key < heap[parent].key else { break }
      heap[i] = heap[parent]
      i = parent
    }
    heap[i] = c
  }

  private mutating func pop() -> Candidate? {
    guard let top = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return top }
    var i = 0
    while true {
      var child = 2 * i + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].key < heap[child].key { child += 1 }
      guard heap[child].key < last.key else { break }
      heap[i] = heap[child]
      i = child
    }
    heap[i] = last
    return top
  }
}
