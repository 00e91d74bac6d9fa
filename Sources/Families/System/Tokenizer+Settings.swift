// SPDX-License-Identifier: Apache-2.0
import Schema
import Tokenizers

extension Tokenizer {
  /// The tokenizer that a weight file describes.
  package convenience init(_ s: TokenizerSettings) throws(TokenizerError) {
    let model: Model =
      switch s.kind {
      case .sentencePiece:
        .sentencePiece(
          try SentencePieceBPE(SentencePieceVocabulary(s.sentencePiece), prefixRule: DummyPrefixRule(s.sentencePiece.prefixRule)))
      case .byteLevel: .byteLevel(try ByteLevelBPE(ByteLevelVocabulary(s.byteLevel)))
      }
    let added = s.added.enumerated().map { i, text in
      let strips = s.addedStrips.isEmpty ? 0 : s.addedStrips[i]
      return AddedToken(
        text: text, id: Int32(s.addedIds[i]), isSpecial: s.addedSpecial.isEmpty || s.addedSpecial[i] != 0, stripsLeft: strips & 1 != 0,
        stripsRight: strips & 2 != 0)
    }
    try self.init(model, added: added, bosId: s.bos.map { Int32($0) })
  }
}

extension ByteStrings {
  fileprivate init(_ items: [[UInt8]]) {
    self.init()
    for item in items { append(item) }
  }
}

extension ByteLevelVocabulary {
  fileprivate init(_ s: ByteLevelSettings) {
    self.init(
      pieces: ByteStrings(s.pieces), usesByteAlphabet: s.merges != nil, merging: s.merges.map { .rules(ByteStrings($0)) } ?? .ranks,
      pattern: SplitPattern(s.pattern))
    composition =
      switch s.composition {
      case .none: .none
      case .segments: .segments
      case .wholeText: .wholeText
      }
    prefersWholeWords = s.wholeWords
    addsPrefixSpace = s.addPrefixSpace
    unknownId = s.unk.map { Int32($0) }
  }
}

extension SplitPattern {
  fileprivate init(_ pattern: ByteLevelSettings.Pattern) {
    switch pattern {
    case .gpt2: self = .gpt2
    case .qwen: self = .qwen
    case .llama3: self = .llama3
    }
  }
}

extension SentencePieceVocabulary {
  fileprivate init(_ s: SentencePieceSettings) {
    self.init(pieces: ByteStrings(s.pieces), scores: s.scores.map { Float($0) }, types: s.types.map { UInt8($0) })
    characterMap = s.charsMap
    addsDummyPrefix = s.addDummyPrefix
    removesExtraWhitespaces = s.removeExtraWhitespaces
    escapesWhitespaces = s.escapeWhitespaces
    if !s.unknownSurface.isEmpty { unknownSurface = s.unknownSurface }
  }
}

extension DummyPrefixRule {
  fileprivate init(_ rule: SentencePieceSettings.PrefixRule) {
    switch rule {
    case .every: self = .everySegment
    case .everyUnlessSpace: self = .everySegmentUnlessSpace
    case .firstUnlessSpace: self = .firstSegmentUnlessSpace
    }
  }
}
