// SPDX-License-Identifier: Apache-2.0
import Tokenizers
import WeightFile

extension Tokenizer {
  /// The tokenizer that a weight file's `tokenizer.*` metadata describes.
  convenience init(_ m: Metadata) throws(FoveaError) {
    let vocabulary: SentencePieceVocabulary
    let prefixRule: DummyPrefixRule
    let added: [AddedToken]
    do {
      try m.requireTokenizerKind()
      vocabulary = try SentencePieceVocabulary(m)
      prefixRule = try DummyPrefixRule(m)
      added = try AddedToken.list(m)
    } catch { throw FoveaError(error) }
    let begin = m.int("tokenizer.bos").flatMap { Int32(exactly: $0) }
    do {
      try self.init(.sentencePiece(SentencePieceBPE(vocabulary, prefixRule: prefixRule)), added: added, bosId: begin)
    } catch { throw FoveaError(error) }
  }
}

extension Metadata {
  fileprivate func requireTokenizerKind() throws(WeightFileError) {
    let kind = try requireString("tokenizer.kind")
    guard kind.utf8.elementsEqual("sentencepiece_bpe".utf8) else {
      throw mismatch("tokenizer.kind", found: kind, expected: "sentencepiece_bpe")
    }
  }
}

extension SentencePieceVocabulary {
  fileprivate init(_ m: Metadata) throws(WeightFileError) {
    var pieces = ByteStrings()
    guard let texts = m.byteStrings("tokenizer.pieces") else {
      throw m.mismatch("tokenizer.pieces", found: "nothing", expected: "a list of strings")
    }
    for text in texts { pieces.append(text) }
    let types = try m.requireInts("tokenizer.types")
    guard types.allSatisfy({ (0...255).contains($0) }) else {
      throw m.mismatch("tokenizer.types", found: "a type outside 0…255", expected: "1…6")
    }
    self.init(
      pieces: pieces, scores: try m.requireDoubles("tokenizer.scores").map { Float($0) }, types: types.map { UInt8($0) })
    characterMap = m.bytes("tokenizer.charsMap") ?? []
    addsDummyPrefix = m.bool("tokenizer.addDummyPrefix") ?? true
    removesExtraWhitespaces = m.bool("tokenizer.removeExtraWhitespaces") ?? false
    escapesWhitespaces = m.bool("tokenizer.escapeWhitespaces") ?? true
    if let surface = m.bytes("tokenizer.unknownSurface") { unknownSurface = surface }
  }
}

extension DummyPrefixRule {
  /// `tokenizer.prefixRule`; absent: every segment.
  fileprivate init(_ m: Metadata) throws(WeightFileError) {
    let name = m.string("tokenizer.prefixRule") ?? "every"
    if name.utf8.elementsEqual("every".utf8) {
      self = .everySegment
    } else if name.utf8.elementsEqual("every_unless_space".utf8) {
      self = .everySegmentUnlessSpace
    } else if name.utf8.elementsEqual("first_unless_space".utf8) {
      self = .firstSegmentUnlessSpace
    } else {
      throw m.mismatch("tokenizer.prefixRule", found: name, expected: "every, every_unless_space or first_unless_space")
    }
  }
}

extension AddedToken {
  /// `tokenizer.added` and `tokenizer.addedIds`, with 1 in `tokenizer.addedSpecial` for those that decoding hides; bits of
  /// `tokenizer.addedStrips`: 1 blanks before the token belong to it, 2 blanks after it.
  fileprivate static func list(_ m: Metadata) throws(WeightFileError) -> [AddedToken] {
    guard let texts = m.byteStrings("tokenizer.added") else { return [] }
    let ids = try m.requireInts("tokenizer.addedIds")
    let special = m.ints("tokenizer.addedSpecial") ?? Array(repeating: 1, count: texts.count)
    let strips = m.ints("tokenizer.addedStrips") ?? Array(repeating: 0, count: texts.count)
    guard ids.count == texts.count, special.count == texts.count, strips.count == texts.count else {
      throw m.mismatch("tokenizer.addedIds", found: "\(ids.count) ids", expected: "one for each of \(texts.count) texts")
    }
    var tokens: [AddedToken] = []
    for (i, text) in texts.enumerated() {
      guard let id = Int32(exactly: ids[i]) else {
        throw m.mismatch("tokenizer.addedIds", found: "\(ids[i])", expected: "an id of 32 bits")
      }
      tokens.append(
        AddedToken(
          text: text, id: id, isSpecial: special[i] != 0, stripsLeft: strips[i] & 1 != 0, stripsRight: strips[i] & 2 != 0))
    }
    return tokens
  }
}
