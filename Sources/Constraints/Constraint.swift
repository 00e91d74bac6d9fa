// SPDX-License-Identifier: Apache-2.0

/// A constraint compiled for a vocabulary, and its state while an answer is generated. One thread at a time.
///
/// Memory: the program, some kilobytes for usual texts and at most about 100 MB for texts at the limits; and the tables that grow during
/// matching, at most `cacheLimit`, after which they are rebuilt.
package final class Constraint {
  package enum Kind: Equatable {
    case regularExpression, grammar, jsonSchema
  }

  private let trie: TokenTrie
  private let program: Program
  private let cacheLimit: Int
  private let emptyFirstTokenIsTaken: Bool
  private var bounds: ConstraintBounds
  private var matcher: Matcher
  private var masks: TokenMasks

  private var state = 0
  private var isFirst = true
  private var isEnded = false
  /// The forced tokens last proposed, and how many proposals were accepted and rejected.
  private var proposed: ArraySlice<Int32> = []
  private var (right, wrong) = (0, 0)

  /// Compiles a constraint.
  /// - Parameters:
  ///   - text: UTF-8.
  ///   - emptyFirstTokenIsTaken: an answer may begin with a token that is only an omitted leading space.
  ///   - cacheLimit: most bytes of the growing tables.
  package init(
    _ kind: Kind, _ text: [UInt8], _ trie: TokenTrie, emptyFirstTokenIsTaken: Bool, cacheLimit: Int, bounds: ConstraintBounds
  ) throws(ConstraintError) {
    guard text.count <= ConstraintBounds.textLimit else {
      throw .tooLarge("\(text.count) bytes of text; at most \(ConstraintBounds.textLimit) are taken")
    }
    program = try Self.program(kind, text, trie.alphabet?.set, bounds)
    self.trie = trie
    self.cacheLimit = cacheLimit
    self.emptyFirstTokenIsTaken = emptyFirstTokenIsTaken
    self.bounds = bounds
    matcher = Matcher(program, memoryLimit: cacheLimit / 2 + program.byteCount, bounds: bounds)
    masks = TokenMasks(trie, memoryLimit: cacheLimit / 2)
    try masks.prepare(matcher, bounds)
    try begin(bounds)
  }

  static func program(
    _ kind: Kind, _ text: [UInt8], _ alphabet: ScalarSet?, _ bounds: ConstraintBounds
  ) throws(ConstraintError) -> Program {
    var e = Expressions(alphabet: alphabet, bounds: bounds)
    let start: Int32
    switch kind {
    case .regularExpression: start = try RegularExpression.whole(text, in: &e)
    case .grammar: start = try Grammar.read(text, into: &e)
    case .jsonSchema: start = try JSONSchema.read(text, into: &e)
    }
    return try Program(e, start: start)
  }

  /// Upper bound of the program and the tables in bytes.
  package var memory: Int { program.byteCount * 2 + cacheLimit }

  /// Starts a new answer.
  package func begin(_ bounds: ConstraintBounds) throws(ConstraintError) {
    self.bounds = bounds
    matcher.bounds = bounds
    (isFirst, isEnded, proposed) = (true, false, [])
    try anew { () throws(ConstraintError) in state = try matcher.start() }
  }

  /// Whether the answer is complete and nothing can follow.
  package var isComplete: Bool { isEnded || matcher.accepts(state) && !matcher.goesOn(state) }
  /// Whether the answer may end here.
  package var mayEnd: Bool { isEnded || matcher.accepts(state) }

  /// Bans all tokens that cannot come next.
  /// - Parameter endIds: tokens that end the answer.
  package func mask(_ logits: UnsafeMutableBufferPointer<Float>, endIds: [Int32]) throws(ConstraintError) {
    var allowed = TokenSet(count: trie.vocabulary)
    if !isEnded {
      try anew { () throws(ConstraintError) in
        allowed =
          isFirst && trie.hasBlanks
          ? try masks.first(state, emptyIsTaken: emptyFirstTokenIsTaken, &matcher, bounds) : try masks.mask(state, &matcher, bounds)
      }
    }
    if mayEnd { for id in endIds where id >= 0 && Int(id) < trie.vocabulary { allowed.insert(id) } }
    guard !allowed.isEmpty else { throw .unspellable }
    allowed.mask(logits)
  }

  /// Advances by the next token of the answer.
  package func accept(_ id: Int32, endIds: [Int32]) throws(ConstraintError) {
    if let next = proposed.first {
      proposed = proposed.dropFirst()
      if next == id { right += 1 } else { (wrong, proposed) = (wrong + 1, []) }
    }
    if mayEnd, endIds.contains(id) {
      isEnded = true
      return
    }
    let text = isFirst && trie.isAfterSpace(id) ? trie.text(of: id).dropFirst() : trie.text(of: id)[...]
    isFirst = false
    try anew { () throws(ConstraintError) in
      var here = state
      for byte in text { here = try matcher.next(here, byte) }
      state = here
    }
    if state == Matcher.dead { throw .unspellable }
  }

  /// Tokens that spell the forced bytes that follow, longest match first. They are proposals: a text may have several tokenisations.
  package func forced(most: Int) throws(ConstraintError) -> [Int32] {
    guard most > 0, !isFirst, !isEnded, wrong < 8 || right > 2 * wrong else { return [] }
    var text: [UInt8] = []
    try anew { () throws(ConstraintError) in
      text = []
      var here = state
      while text.count < 96, let byte = try matcher.forcedByte(here) {
        text.append(byte)
        here = try matcher.next(here, byte)
      }
    }
    var found: [Int32] = []
    var start = 0
    while found.count < most, start < text.count {
      var (node, at, best, end) = (0, start, Int32(-1), start)
      while at < text.count, let child = trie.child(node, text[at]) {
        (node, at) = (child, at + 1)
        if trie.firstTokens[node] < trie.firstTokens[node + 1] { (best, end) = (trie.tokens[Int(trie.firstTokens[node])], at) }
      }
      // The last token might otherwise extend into bytes that are not forced.
      guard best >= 0, end < text.count || matcher.accepts(state) else { break }
      found.append(best)
      start = end
    }
    proposed = found[...]
    return found
  }

  /// Runs `body`, which fills tables; once more with fresh tables where they have reached their limit.
  private func anew(_ body: () throws(ConstraintError) -> Void) throws(ConstraintError) {
    do throws(ConstraintError) { return try body() } catch {
      guard error == .cachesFull else { throw error }
    }
    masks.forget(program)
    do throws(ConstraintError) {
      (matcher, state) = try matcher.fresh(keeping: state)
      try body()
    } catch {
      throw error == .cachesFull ? .tooLarge("following it takes more than \(cacheLimit) bytes") : error
    }
  }
}
