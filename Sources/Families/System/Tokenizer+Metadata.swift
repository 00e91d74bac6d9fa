// SPDX-License-Identifier: Apache-2.0
import Tokenizers
import WeightFile

extension Tokenizer {
  /// The tokenizer that a weight file's `tokenizer.*` metadata describes.
  package convenience init(_ m: Metadata) throws(FoveaError) {
    let model = try Self.model(m)
    let added: [AddedToken]
    do { added = try AddedToken.list(m) } catch { throw FoveaError(error) }
    let begin = m.int("tokenizer.bos").flatMap { Int32(exactly: $0) }
    do { try self.init(model, added: added, bosId: begin) } catch { throw FoveaError(error) }
  }

  private static func model(_ m: Metadata) throws(FoveaError) -> Model {
    let kind: String
    do { kind = try m.requireString("tokenizer.kind") } catch { throw FoveaError(error) }
    if kind.utf8.elementsEqual("sentencepiece_bpe".utf8) {
      let vocabulary: SentencePieceVocabulary
      let prefixRule: DummyPrefixRule
      do {
        vocabulary = try SentencePieceVocabulary(m)
        prefixRule = try DummyPrefixRule(m)
      } catch { throw FoveaError(error) }
      do { return .sentencePiece(try SentencePieceBPE(vocabulary, prefixRule: prefixRule)) } catch { throw FoveaError(error) }
    }
    guard kind.utf8.elementsEqual("byte_level_bpe".utf8) else {
      throw FoveaError(m.mismatch("tokenizer.kind", found: kind, expected: "sentencepiece_bpe or byte_level_bpe"))
    }
    let vocabulary: ByteLevelVocabulary
    do { vocabulary = try ByteLevelVocabulary(m) } catch { throw FoveaError(error) }
    do { return .byteLevel(try ByteLevelBPE(vocabulary)) } catch { throw FoveaError(error) }
  }
}

extension ByteLevelVocabulary {
  /// `tokenizer.merges` lists the merges, and pieces are then written in the byte alphabet; without it ids are ranks of plain bytes.
  fileprivate init(_ m: Metadata) throws(WeightFileError) {
    var pieces = ByteStrings()
    for piece in try m.requireByteStrings("tokenizer.pieces") { pieces.append(piece) }
    let patternName = try m.requireString("tokenizer.pattern")
    guard let pattern = SplitPattern(name: patternName) else {
      throw m.mismatch("tokenizer.pattern", found: patternName, expected: "gpt2, qwen or llama3")
    }
    let compositionName = m.string("tokenizer.composition") ?? "none"
    guard let composition = Composition(name: compositionName) else {
      throw m.mismatch("tokenizer.composition", found: compositionName, expected: "none, segments or whole_text")
    }
    if let lines = m.byteStrings("tokenizer.merges") {
      var merges = ByteStrings()
      for line in lines { merges.append(line) }
      self.init(pieces: pieces, usesByteAlphabet: true, merging: .rules(merges), pattern: pattern)
    } else {
      self.init(pieces: pieces, usesByteAlphabet: false, merging: .ranks, pattern: pattern)
    }
    self.composition = composition
    prefersWholeWords = m.bool("tokenizer.wholeWords") ?? false
    addsPrefixSpace = m.bool("tokenizer.addPrefixSpace") ?? false
    if let id = m.int("tokenizer.unk") {
      guard let unknown = Int32(exactly: id) else { throw m.mismatch("tokenizer.unk", found: "\(id)", expected: "an id of 32 bits") }
      unknownId = unknown
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
