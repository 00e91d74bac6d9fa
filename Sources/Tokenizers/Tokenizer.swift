// SPDX-License-Identifier: Apache-2.0
import Shims

/// Text to ids and back: one of the BPE models below, and the added tokens.
///
/// Immutable, so any number of threads may use one.
package final class Tokenizer: Sendable {
  package enum Model {
    case sentencePiece(SentencePieceBPE)
    case byteLevel(ByteLevelBPE)
  }

  /// Longest text taken, before and after normalisation, in bytes: far past any context, and it bounds the memory of one call.
  package static var textLimit: Int { 1 << 23 }
  /// Largest id an added token may have.
  package static var largestId: Int32 { (1 << 24) - 1 }

  let model: Model
  let added: AddedTokens
  /// Prepended when asked for; nil for models that have none.
  package let bosId: Int32?
  /// One more than the largest id in use. A model may have more output rows; those decode to nothing.
  package let vocabularySize: Int

  /// Approximate upper bound of a tokenizer's tables in bytes: texts with offsets and ranks, two hash tables, and the merges.
  package static func byteCount(pieces: Int) -> Int {
    var slots = 16
    while slots < 2 * pieces { slots *= 2 }
    return slots * (8 + 8 + 16) + pieces * 24
  }

  package init(_ model: Model, added: [AddedToken] = [], bosId: Int32? = nil) throws(TokenizerError) {
    self.model = model
    self.added = try AddedTokens(added)
    let pieces =
      switch model {
      case .sentencePiece(let m): m.pieces.count
      case .byteLevel(let m): m.pieces.count
      }
    vocabularySize = max(pieces, self.added.idEnd)
    if let bosId, bosId < 0 || bosId >= vocabularySize {
      throw .idOutOfRange(name: "bos", id: Int(bosId), count: vocabularySize)
    }
    self.bosId = bosId
  }

  /// The ids of `text`, which must be UTF-8.
  /// - Parameters:
  ///   - addBOS: prepends `bosId`, if there is one.
  ///   - parseSpecials: recognises added tokens in the text. False: they are ordinary text, as untrusted input requires.
  ///   - limit: most ids; more throw `tooManyIds` as soon as they are known.
  ///   - isStopped: asked every few thousand characters; true throws `stopped`.
  package func encode(
    _ text: [UInt8], addBOS: Bool, parseSpecials: Bool, limit: Int = .max, isStopped: @escaping () -> Bool = { false }
  ) throws(TokenizerError) -> [Int32] {
    let bounds = EncodingBounds(limit: limit, isStopped: isStopped)
    try Self.checkLength(text.count)
    // Memory of the normalised texts and the ids.
    if text.count >= 1 << 16, !memory_has_room(16 * text.count) { throw .outOfMemory(bytes: 16 * text.count) }
    if let offset = UTF8Scalars.firstInvalid(text, 0..<text.count) { throw .invalidUTF8(offset: offset) }
    if case .byteLevel(let m) = model, m.composition == .wholeText, let composed = try CanonicalComposition.apply(text, 0..<text.count, bounds) {
      try Self.checkLength(composed.count)
      return try encodeChecked(composed, addBOS, parseSpecials, bounds)
    }
    return try encodeChecked(text, addBOS, parseSpecials, bounds)
  }

  private func encodeChecked(
    _ text: [UInt8], _ addBOS: Bool, _ parseSpecials: Bool, _ bounds: EncodingBounds
  ) throws(TokenizerError) -> [Int32] {
    var ids: [Int32] = []
    if addBOS, let bosId { ids.append(bosId) }
    var start = 0
    while parseSpecials, let (token, range) = try added.next(in: text, from: start, bounds) {
      try encodeSegment(text, start..<range.lowerBound, bounds, into: &ids)
      ids.append(token.id)
      try bounds.check(ids)
      start = range.upperBound
    }
    try encodeSegment(text, start..<text.count, bounds, into: &ids)
    try bounds.check(ids)
    return ids
  }

  package func encode(_ text: UnsafeBufferPointer<UInt8>, addBOS: Bool, parseSpecials: Bool) throws(TokenizerError) -> [Int32] {
    try Self.checkLength(text.count)
    return try encode(Array(text), addBOS: addBOS, parseSpecials: parseSpecials)
  }

  private func encodeSegment(
    _ text: [UInt8], _ range: Range<Int>, _ bounds: EncodingBounds, into ids: inout [Int32]
  ) throws(TokenizerError) {
    guard !range.isEmpty else { return }
    switch model {
    case .sentencePiece(let m): try m.encode(text, range, isFirst: range.lowerBound == 0, bounds, into: &ids)
    case .byteLevel(let m): try m.encode(text, range, bounds, into: &ids)
    }
  }

  /// The text of `ids`, always UTF-8. Ids outside the vocabulary add nothing.
  /// - Parameter showsSpecials: writes special tokens too; false omits them.
  package func decode(_ ids: [Int32], showsSpecials: Bool = false) -> [UInt8] {
    var decoder = streamingDecoder(showsSpecials: showsSpecials)
    var text: [UInt8] = []
    for id in ids { decoder.append(id, to: &text) }
    decoder.finish(into: &text)
    return text
  }

  /// A decoder that takes one id at a time.
  package func streamingDecoder(showsSpecials: Bool = false) -> StreamingDecoder {
    StreamingDecoder(tokenizer: self, showsSpecials: showsSpecials)
  }

  /// The id of the added token with exactly this text.
  package func addedId(of text: [UInt8]) -> Int32? { added.token(text: text)?.id }

  /// The id whose piece has exactly these bytes, added tokens first.
  package func id(of piece: [UInt8]) -> Int32? {
    if let token = added.token(text: piece) { return token.id }
    switch model {
    case .sentencePiece(let m): return m.id(of: piece)
    case .byteLevel(let m): return m.id(of: piece)
    }
  }

  static func checkLength(_ count: Int) throws(TokenizerError) {
    guard count <= textLimit else { throw .textTooLong(bytes: count, limit: textLimit) }
  }
}
