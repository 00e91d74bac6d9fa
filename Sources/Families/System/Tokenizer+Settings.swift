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

  /// The same, checked against the rest of the file.
  /// - Parameters:
  ///   - vocabSize: rows of the decoder's embedding.
  ///   - needsImageToken: `<image>` has to be a token.
  package convenience init(_ s: TokenizerSettings, vocabSize: Int, needsImageToken: Bool) throws(FoveaError) {
    do { try self.init(s) } catch { throw FoveaError(error) }
    guard vocabularySize <= vocabSize else {
      throw FoveaError.system("tokenizer", "\(vocabularySize) tokens, but language.vocabSize is \(vocabSize)")
    }
    guard s.endIds.allSatisfy({ $0 < vocabSize }) else {
      throw FoveaError.system("tokenizer", "an end id outside 0..<\(vocabSize), which language.vocabSize allows")
    }
    if needsImageToken, id(of: PromptTemplate.imageMark) == nil {
      throw FoveaError.system("tokenizer", "no <image> token, but prompt.imageTokenSplitsText is false")
    }
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
    splits = s.splits.map { SplitPattern($0) }
    prefersWholeWords = s.wholeWords
    addsPrefixSpace = s.addPrefixSpace
    unknownId = s.unk.map { Int32($0) }
  }
}

extension SplitPattern {
  fileprivate init(_ pattern: ByteLevelSettings.Pattern) {
    self =
      switch pattern {
      case .none: .none
      case .gpt2: .gpt2
      case .qwen: .contracted(digits: 1, marks: false)
      case .twoDigits: .contracted(digits: 2, marks: false)
      case .llama3: .contracted(digits: 3, marks: false)
      case .qwen35: .contracted(digits: 1, marks: true)
      case .o200k: .cased(digits: 3, contractions: true)
      case .tekken: .cased(digits: 1, contractions: false)
      case .deepSeek3: .deepSeek3
      case .digits: .digits(limit: .max)
      case .singleDigits: .digits(limit: 1)
      case .upToThreeDigits: .digits(limit: 3)
      case .lineBreaks: .lineBreaks
      case .trailingBlanks: .trailingBlanks
      case .letters: .run(of: .letters, afterBlank: true)
      case .punctuation: .run(of: .punctuation, afterBlank: true)
      case .deepSeekLetters: .run(of: .deepSeekLetters, afterBlank: true)
      case .deepSeekSymbols: .run(of: .deepSeekSymbols, afterBlank: true)
      case .deepSeekIdeographs: .run(of: .deepSeekIdeographs, afterBlank: false)
      case .deepSeek3Ideographs: .run(of: .deepSeek3Ideographs, afterBlank: false)
      }
  }
}

extension SentencePieceVocabulary {
  fileprivate init(_ s: SentencePieceSettings) {
    self.init(pieces: ByteStrings(s.pieces), scores: s.scores.map { Float($0) }, types: s.types.map { UInt8($0) })
    merges = s.merges.map { ByteStrings($0) }
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
