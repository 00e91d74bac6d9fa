// SPDX-License-Identifier: Apache-2.0

/// A vocabulary partitioned by a class of characters. For a state that treats all characters of the class alike, the trie need not be walked:
/// tokens of such characters only are known, and of the others the position of the first character outside the class, after which few
/// bytes are left to match.
struct TokenPartition {
  /// Where a token leaves the class: at a character outside it, or at its end within a character.
  struct Exit {
    /// The node whose byte shows it, and the node of the character's first byte.
    var node, start: Int32
    /// The next exit outside this one's subtree.
    var skip: Int32 = 0
    /// Characters before it, from the root.
    var characters: UInt8
    var byte: UInt8
    /// For tokens that end here only: longer ones may still be in the class.
    var isEnd: Bool
  }

  private(set) var exits: [Exit] = []
  /// By index of a token: bytes before the trailing run of class characters; 255: no such run, or too long.
  private(set) var suffixes: [UInt8]
  /// Tokens of class characters only, and their ids by number of characters.
  private(set) var whole: TokenSet
  private var ids: [Int32] = []
  private var idsOfLength: [Int32] = []
  /// Most class characters from the root on in any token.
  private(set) var longest = 0

  /// Deeper nodes are not partitioned.
  private static var depthLimit: Int { 254 }

  /// - Returns: nil where most of the vocabulary is outside the class: walking the trie is short then.
  init?(_ trie: TokenTrie, _ program: Program, _ item: Program.CharacterClass, _ bounds: ConstraintBounds) throws(ConstraintError) {
    struct Place {
      var end: Int32 = .max
      /// Position within the class's own edges; 0: between two characters.
      var edges: Int32 = 0
      var start: Int32 = 0
      var characters: UInt8 = 0
      var suffix: UInt8 = 0
      /// Bytes left of a character outside the class.
      var rest: UInt8 = 0
    }
    // By a character's first byte: 0: a complete character; the node for its next byte; −1: outside the class.
    let first = (0..<256).map { byte in
      byte < 0x80 ? (item.takes(UInt8(byte)) ? 0 : -1) : item.longer >= 0 ? program.target(item.longer, UInt8(byte)) : -1
    }
    suffixes = Array(repeating: 255, count: trie.tokens.count)
    whole = TokenSet(count: trie.vocabulary)
    var path = [Place](repeating: Place(), count: Self.depthLimit + 1)
    var depth = 0
    var open: [Int] = []
    var lengths: [(length: UInt8, id: Int32)] = []
    var node = 1
    while node < trie.bytes.count {
      try bounds.check(node)
      while Int(path[depth].end) <= node { depth -= 1 }
      while let last = open.last, Int(trie.ends[Int(exits[last].node)]) <= node {
        exits[last].skip = Int32(exits.count)
        open.removeLast()
      }
      let (above, byte) = (path[depth], trie.bytes[node])
      var here = Place(end: trie.ends[node], start: above.edges == 0 ? Int32(node) : above.start, characters: above.characters, suffix: above.suffix)
      let before = above.edges == 0 ? above.characters : above.characters &- 1
      let isContinuation = byte & 0xC0 == 0x80
      if !isContinuation { here.characters += 1 }
      var target = above.edges == 0 ? first[Int(byte)] : program.target(above.edges, byte)
      if depth == Self.depthLimit { target = -1 }
      let owned = Int(trie.firstTokens[node])..<Int(trie.firstTokens[node + 1])
      if target < 0 ? above.rest == 0 || !isContinuation : target > 0 && !owned.isEmpty {
        if target < 0 { open.append(exits.count) }
        exits.append(
          Exit(node: Int32(node), start: here.start, skip: Int32(exits.count + 1), characters: before, byte: byte, isEnd: target > 0))
        longest = max(longest, Int(before))
        guard 2 * exits.count <= trie.bytes.count else { return nil }
      }
      if depth == Self.depthLimit {
        node = Int(trie.ends[node])
        continue
      }
      depth += 1
      if target < 0 {
        here.suffix = UInt8(depth)
        here.rest = isContinuation ? above.rest &- (above.rest > 0 ? 1 : 0) : byte < 0xC0 ? 0 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3
      } else {
        here.edges = target
      }
      if here.edges == 0 {
        for i in owned {
          suffixes[i] = here.suffix
          guard here.suffix == 0 else { continue }
          whole.insert(trie.tokens[i])
          lengths.append((here.characters, trie.tokens[i]))
          longest = max(longest, Int(here.characters))
        }
      }
      path[depth] = here
      node += 1
    }
    for last in open { exits[last].skip = Int32(exits.count) }
    sort(lengths)
  }

  private mutating func sort(_ lengths: [(length: UInt8, id: Int32)]) {
    idsOfLength = Array(repeating: 0, count: longest + 2)
    for item in lengths { idsOfLength[Int(item.length) + 1] += 1 }
    for i in 1..<idsOfLength.count { idsOfLength[i] += idsOfLength[i - 1] }
    ids = Array(repeating: 0, count: lengths.count)
    var next = idsOfLength
    for item in lengths {
      ids[Int(next[Int(item.length)])] = item.id
      next[Int(item.length)] += 1
    }
  }

  var byteCount: Int { exits.count * MemoryLayout<Exit>.stride + suffixes.count + whole.words.count * 8 + ids.count * 4 }

  /// Tokens of at most `most` characters, all of the class.
  func tokens(_ most: Int) -> TokenSet {
    guard most < longest else { return whole }
    let end = Int(idsOfLength[most + 1])
    if 2 * end < ids.count {
      var found = TokenSet(count: whole.words.count * 64)
      for id in ids[..<end] { found.insert(id) }
      return found
    }
    var found = whole
    for id in ids[end...] { found.remove(id) }
    return found
  }

  /// Tokens of more than `most` characters, all of the class; nil: too many.
  func longer(than most: Int) -> ArraySlice<Int32>? {
    guard most < longest else { return [] }
    let found = ids[Int(idsOfLength[most + 1])...]
    return found.count <= 2048 ? found : nil
  }

  /// The first exit below a node.
  func first(below node: Int) -> Int {
    var (a, b) = (0, exits.count)
    while a < b {
      let middle = (a + b) / 2
      if Int(exits[middle].node) <= node { a = middle + 1 } else { b = middle }
    }
    return a
  }
}

/// The partitions for a constraint's states, by class number.
struct TokenPartitions {
  private let memoryLimit: Int
  private var found: [(number: Int32, partition: TokenPartition?)] = []
  private var byteCount = 0

  init(memoryLimit: Int) { self.memoryLimit = memoryLimit }

  /// Makes the partitions of the largest classes.
  mutating func prepare(_ trie: TokenTrie, _ matcher: Matcher, _ bounds: ConstraintBounds) throws(ConstraintError) {
    let classes = matcher.program.classes
    var numbers = classes.indices.map { Int32($0) }
    numbers.sort { (classes[Int($0)].size, $1) > (classes[Int($1)].size, $0) }
    for number in numbers.prefix(6) where matcher.program.isWide(number) { _ = try index(of: number, trie, matcher, bounds) }
  }

  /// Index of a class's partition; nil: it has none.
  mutating func index(
    of number: Int32, _ trie: TokenTrie, _ matcher: Matcher, _ bounds: ConstraintBounds
  ) throws(ConstraintError) -> Int? {
    if let known = found.firstIndex(where: { $0.number == number }) { return found[known].partition == nil ? nil : known }
    guard found.count < 16 else { return nil }
    var made = byteCount < memoryLimit ? try TokenPartition(trie, matcher.program, matcher.classes[Int(number)].item, bounds) : nil
    if let size = made?.byteCount {
      if byteCount + size > memoryLimit { made = nil } else { byteCount += size }
    }
    found.append((number, made))
    return made == nil ? nil : found.count - 1
  }

  /// Removes the partitions of classes from `number` on, which are not the program's.
  mutating func forget(from number: Int) {
    for i in found.indices.reversed() where found[i].number >= number { byteCount -= found.remove(at: i).partition?.byteCount ?? 0 }
  }

  /// A partition that `index` found.
  subscript(index: Int) -> TokenPartition? { found[index].partition }
}
