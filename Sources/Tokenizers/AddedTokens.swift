// SPDX-License-Identifier: Apache-2.0

/// A string with an id of its own, cut out of the text before the BPE model sees the rest (HF "added tokens").
package struct AddedToken {
  package var text: [UInt8]
  package var id: Int32
  /// Omitted when decoding, unless special tokens are asked for.
  package var isSpecial: Bool
  /// Whether the token takes in the white space before / after it (HF `lstrip`, `rstrip`).
  package var stripsLeft, stripsRight: Bool

  package init(text: [UInt8], id: Int32, isSpecial: Bool = true, stripsLeft: Bool = false, stripsRight: Bool = false) {
    self.text = text
    self.id = id
    self.isSpecial = isSpecial
    self.stripsLeft = stripsLeft
    self.stripsRight = stripsRight
  }
}

/// The added tokens of a tokenizer, searched for in the text as given, before any normalisation.
struct AddedTokens {
  let tokens: [AddedToken]
  private let strings: ByteStrings
  private let matcher: PrefixMatcher
  /// Indices into `tokens`, by ascending id.
  private let byId: [Int32]

  init(_ tokens: [AddedToken]) throws(TokenizerError) {
    var strings = ByteStrings()
    guard tokens.count < Int(Int32.max) else { throw .tooManyPieces(tokens.count) }
    for t in tokens {
      guard t.id >= 0, t.id <= Tokenizer.largestId else {
        throw .idOutOfRange(name: "added token", id: Int(t.id), count: Int(Tokenizer.largestId) + 1)
      }
      guard !t.text.isEmpty else { throw .invalidPiece(id: Int(t.id), reason: "is an added token without text") }
      guard t.text.count <= SentencePieceBPE.pieceLimit else { throw .invalidPiece(id: Int(t.id), reason: "is too long") }
      guard UTF8Scalars.firstInvalid(t.text, 0..<t.text.count) == nil else {
        throw .invalidPiece(id: Int(t.id), reason: "is not UTF-8")
      }
      strings.append(t.text)
    }
    self.tokens = tokens
    self.strings = strings
    matcher = PrefixMatcher(strings, members: (0..<Int32(tokens.count)).map { $0 })
    byId = (0..<Int32(tokens.count)).sorted { (tokens[Int($0)].id, $0) < (tokens[Int($1)].id, $1) }
  }

  /// One more than the largest id; 0 if there are no tokens.
  var idEnd: Int { byId.last.map { Int(tokens[Int($0)].id) + 1 } ?? 0 }

  func token(id: Int32) -> AddedToken? {
    var a = 0
    var b = byId.count
    while a < b {
      let middle = (a + b) / 2
      if tokens[Int(byId[middle])].id < id { a = middle + 1 } else { b = middle }
    }
    guard a < byId.count, tokens[Int(byId[a])].id == id else { return nil }
    return tokens[Int(byId[a])]
  }

  func token(text: [UInt8]) -> AddedToken? {
    guard let (index, length) = matcher.longest(text, at: 0, end: text.count), length == text.count else { return nil }
    return tokens[Int(index)]
  }

  /// The first token in `text[from...]`: leftmost, then longest. `range` includes the white space that it takes in.
  /// - Parameter from: where the search begins; white space before it is not taken in.
  func next(
    in text: [UInt8], from: Int, _ bounds: EncodingBounds
  ) throws(TokenizerError) -> (token: AddedToken, range: Range<Int>)? {
    guard !matcher.isEmpty else { return nil }
    for i in from..<max(from, text.count) {
      try bounds.check(i)
      guard let (index, length) = matcher.longest(text, at: i, end: text.count) else { continue }
      let token = tokens[Int(index)]
      var start = i
      var end = i + length
      if token.stripsLeft { start = skipBack(text, i, from) }
      if token.stripsRight {
        while end < text.count {
          let (scalar, size) = UTF8Scalars.next(text, at: end)
          guard UTF8Scalars.isWhitespace(scalar) else { break }
          end += size
        }
      }
      return (token, start..<end)
    }
    return nil
  }

  /// Start of the white space that ends at `end`, not before `limit`.
  private func skipBack(_ text: [UInt8], _ end: Int, _ limit: Int) -> Int {
    var start = end
    while start > limit {
      var i = start - 1
      while i > limit, text[i] & 0xC0 == 0x80 { i -= 1 }
      guard UTF8Scalars.isWhitespace(UTF8Scalars.next(text, at: i).scalar) else { break }
      start = i
    }
    return start
  }
}
