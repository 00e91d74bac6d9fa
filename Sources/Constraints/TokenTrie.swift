// SPDX-License-Identifier: Apache-2.0

/// The vocabulary as a trie over bytes, in one array in depth-first order. Immutable.
package final class TokenTrie: Sendable {
  /// What a token writes.
  package enum Kind {
    /// Nothing, or nothing visible.
    case none
    case text
    /// A text with a leading space that is omitted at the start of an answer.
    case textAfterSpace
  }

  /// One more than the largest id.
  package let vocabulary: Int
  /// By node: its byte, the end of its subtree, the index of its first token.
  let bytes: [UInt8]
  let ends: [Int32]
  let firstTokens: [Int32]
  /// Ids in byte order, whether they have an omissible leading space, and how many of their bytes begin a character, at most
  /// 255.
  let tokens: [Int32]
  let characters: [UInt8]
  let isAfterSpace: [Bool]
  let hasBlanks: Bool
  /// Node of each id; −1: none.
  private let nodeOfToken: [Int32]
  private let parents: [Int32]

  /// - Parameter text: appends the bytes of a token.
  package init(vocabulary: Int, bounds: ConstraintBounds, _ text: (Int32, inout [UInt8]) -> Kind) throws(ConstraintError) {
    var pool: [UInt8] = []
    var spans: [(key: UInt64, start: Int32, count: Int32, id: Int32, isAfterSpace: Bool)] = []
    for id in 0..<Int32(max(vocabulary, 0)) {
      try bounds.check(Int(id))
      let start = pool.count
      let kind = text(id, &pool)
      let count = min(pool.count - start, Int(UInt16.max) - 1)
      guard kind != .none, count == pool.count - start, count > 0, pool.count < Int(Int32.max) else {
        pool.removeLast(pool.count - start)
        continue
      }
      var key: UInt64 = 0
      for i in 0..<8 { key = key << 8 | (i < count ? UInt64(pool[start + i]) : 0) }
      spans.append((key, Int32(start), Int32(count), id, kind == .textAfterSpace))
    }
    pool.withUnsafeBufferPointer { pool in
      spans.sort { a, b in
        if a.key != b.key { return a.key < b.key }
        let (x, y) = (pool[Int(a.start)..<Int(a.start + a.count)], pool[Int(b.start)..<Int(b.start + b.count)])
        for (p, q) in zip(x, y) where p != q { return p < q }
        return a.count != b.count ? a.count < b.count : a.id < b.id
      }
    }
    var (bytes, ends, firstTokens, parents): ([UInt8], [Int32], [Int32], [Int32]) = ([0], [0], [0], [-1])
    var nodeOfToken = [Int32](repeating: -1, count: max(vocabulary, 0))
    var path: [Int32] = [0]
    var previous = (start: 0, count: 0)
    for (number, span) in spans.enumerated() {
      try bounds.check(number)
      let (start, count) = (Int(span.start), Int(span.count))
      var common = 0
      while common < min(count, previous.count), pool[start + common] == pool[previous.start + common] { common += 1 }
      while path.count > common + 1 { ends[Int(path.removeLast())] = Int32(bytes.count) }
      for i in common..<count {
        parents.append(path[path.count - 1])
        path.append(Int32(bytes.count))
        bytes.append(pool[start + i])
        ends.append(0)
        firstTokens.append(Int32(number))
      }
      nodeOfToken[Int(span.id)] = path[path.count - 1]
      previous = (start, count)
    }
    while let node = path.popLast() { ends[Int(node)] = Int32(bytes.count) }
    firstTokens.append(Int32(spans.count))
    self.vocabulary = max(vocabulary, 0)
    (self.bytes, self.ends, self.firstTokens, self.parents) = (bytes, ends, firstTokens, parents)
    self.nodeOfToken = nodeOfToken
    tokens = spans.map { $0.id }
    isAfterSpace = spans.map { $0.isAfterSpace }
    characters = spans.map { span in
      let text = pool[Int(span.start)..<Int(span.start + span.count)]
      return UInt8(min(255, text.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }))
    }
    hasBlanks = spans.contains { $0.isAfterSpace }
  }

  /// Bytes of the trie.
  package var byteCount: Int { Self.byteCount(nodes: bytes.count, vocabulary: vocabulary) }

  private static func byteCount(nodes: Int, vocabulary: Int) -> Int { nodes * 13 + vocabulary * 10 }

  /// The bytes of a token; empty where it is not in the trie.
  func text(of id: Int32) -> [UInt8] {
    guard nodeOfToken.indices.contains(Int(id)) else { return [] }
    var found: [UInt8] = []
    var node = nodeOfToken[Int(id)]
    while node > 0 {
      found.append(bytes[Int(node)])
      node = parents[Int(node)]
    }
    found.reverse()
    return found
  }

  /// The node of a token, which must be in the trie.
  func node(of id: Int32) -> Int { Int(nodeOfToken[Int(id)]) }

  func isAfterSpace(_ id: Int32) -> Bool {
    guard hasBlanks, nodeOfToken.indices.contains(Int(id)), nodeOfToken[Int(id)] >= 0 else { return false }
    let node = Int(nodeOfToken[Int(id)])
    for i in Int(firstTokens[node])..<Int(firstTokens[node + 1]) where tokens[i] == id { return isAfterSpace[i] }
    return false
  }

  /// Bytes from the root to a node, and how many of them begin a character.
  func depth(_ node: Int) -> (bytes: Int, characters: Int) {
    var found = (bytes: 0, characters: 0)
    var next = node
    while next > 0 {
      found.bytes += 1
      if bytes[next] & 0xC0 != 0x80 { found.characters += 1 }
      next = Int(parents[next])
    }
    return found
  }

  /// −1 for the root.
  func parent(_ node: Int) -> Int { Int(parents[node]) }

  /// The child of a node by its byte.
  func child(_ node: Int, _ byte: UInt8) -> Int? {
    var child = node + 1
    while child < Int(ends[node]) {
      if bytes[child] == byte { return child }
      child = Int(ends[child])
    }
    return nil
  }

  /// The scalars that tokens can write one by one; nil: all, since every single byte has a token.
  package var alphabet: ScalarAlphabet? {
    var hasByte = [Bool](repeating: false, count: 256)
    var whole: [UInt32] = []
    for node in 1..<max(1, bytes.count) where firstTokens[node] < firstTokens[node + 1] {
      if parents[node] == 0 { hasByte[Int(bytes[node])] = true }
      guard bytes[node] < 0x80 ? parents[node] == 0 : depth(node).bytes <= 4 else { continue }
      let text = self.text(of: tokens[Int(firstTokens[node])])
      let scalars = String(decoding: text, as: UTF8.self).unicodeScalars
      if let only = scalars.first, scalars.count == 1, Array(String(only).utf8) == text { whole.append(only.value) }
    }
    if !hasByte.contains(false) { return nil }
    return ScalarAlphabet(set: ScalarSet(whole.map { ScalarSet.Span(low: $0, high: $0) }))
  }
}

/// Scalars that a vocabulary can write.
package struct ScalarAlphabet {
  let set: ScalarSet
}
