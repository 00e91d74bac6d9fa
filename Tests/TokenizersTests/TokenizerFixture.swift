// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Tokenizers

/// Reads what tools/reference/make_tokenizer_fixtures.py wrote: the committed folder, or the one
/// FOVEA_TOKENIZER_FIXTURES names (more strings, another seed).
struct FixtureReader {
  private let bytes: [UInt8]
  private var position = 0

  static let folder: String =
    ProcessInfo.processInfo.environment["FOVEA_TOKENIZER_FIXTURES"]
    ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures").path

  init(_ name: String) throws {
    bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: Self.folder + "/" + name)))
  }

  var isAtEnd: Bool { position == bytes.count }

  mutating func byte() -> UInt8 {
    position += 1
    return bytes[position - 1]
  }

  mutating func number() -> Int {
    var n = 0
    var shift = 0
    while true {
      let b = byte()
      n |= Int(b & 0x7F) << shift
      shift += 7
      if b < 0x80 { return n }
    }
  }

  mutating func string() -> [UInt8] {
    let n = number()
    position += n
    return Array(bytes[position - n..<position])
  }

  mutating func float() -> Float {
    var bits: UInt32 = 0
    for i in 0..<4 { bits |= UInt32(byte()) << UInt32(8 * i) }
    return Float(bitPattern: bits)
  }

  mutating func ids() -> [Int32] {
    let n = number()
    return (0..<n).map { _ in Int32(number()) }
  }

  mutating func added() -> [AddedToken] {
    let n = number()
    return (0..<n).map { _ in
      let text = string()
      let id = Int32(number())
      let flags = number()
      return AddedToken(text: text, id: id, isSpecial: flags & 1 != 0, stripsLeft: flags & 2 != 0, stripsRight: flags & 4 != 0)
    }
  }

  static func texts() throws -> [[UInt8]] {
    var r = try FixtureReader("texts.bin")
    let n = r.number()
    return (0..<n).map { _ in r.string() }
  }
}

/// Expected ids of every text under one setting.
struct ExpectedIds {
  let rule: Int
  let parsesSpecials: Bool
  let ids: [[Int32]]
}

struct SentencePieceFixture {
  let vocabulary: SentencePieceVocabulary
  let added: [AddedToken]
  let sets: [ExpectedIds]
  let decodings: [(ids: [Int32], text: [UInt8])]

  init(_ name: String, texts: Int) throws {
    var r = try FixtureReader(name + ".sp")
    let flags = r.number()
    let map = r.string()
    let unknown = r.string()
    let count = r.number()
    var pieces = ByteStrings()
    var scores: [Float] = []
    var types: [UInt8] = []
    for _ in 0..<count {
      pieces.append(r.string())
      scores.append(r.float())
      types.append(UInt8(r.number()))
    }
    var v = SentencePieceVocabulary(pieces: pieces, scores: scores, types: types)
    v.characterMap = map
    v.addsDummyPrefix = flags & 1 != 0
    v.removesExtraWhitespaces = flags & 2 != 0
    v.escapesWhitespaces = flags & 4 != 0
    v.unknownSurface = unknown
    vocabulary = v
    added = r.added()
    (sets, decodings) = Self.expectations(&r, texts)
  }

  static func expectations(_ r: inout FixtureReader, _ texts: Int) -> ([ExpectedIds], [(ids: [Int32], text: [UInt8])]) {
    let setCount = r.number()
    let sets = (0..<setCount).map { _ in
      let rule = r.number()
      let parses = r.number() == 1
      return ExpectedIds(rule: rule, parsesSpecials: parses, ids: (0..<texts).map { _ in r.ids() })
    }
    let n = r.number()
    let decodings = (0..<n).map { _ in (ids: r.ids(), text: r.string()) }
    return (sets, decodings)
  }

  static let rules: [DummyPrefixRule] = [.everySegment, .everySegmentUnlessSpace, .firstSegmentUnlessSpace]

  func tokenizer(rule: Int = 0) throws -> Tokenizer {
    try Tokenizer(.sentencePiece(SentencePieceBPE(vocabulary, prefixRule: Self.rules[rule])), added: added, bosId: 1)
  }
}

struct ByteLevelFixture {
  let vocabulary: ByteLevelVocabulary
  let added: [AddedToken]
  let sets: [ExpectedIds]
  let decodings: [(ids: [Int32], text: [UInt8])]

  init(_ name: String, texts: Int) throws {
    var r = try FixtureReader(name + ".bl")
    let hasRules = r.number() == 1
    let pattern = [SplitPattern.gpt2, .contracted(digits: 1, marks: false), .contracted(digits: 3, marks: false)][r.number()]
    let composition = r.number()
    let prefersWholeWords = r.number() == 1
    let addsPrefixSpace = r.number() == 1
    func strings() -> ByteStrings {
      var list = ByteStrings()
      for _ in 0..<r.number() { list.append(r.string()) }
      return list
    }
    let pieces = strings()
    let rules = strings()
    var v = ByteLevelVocabulary(
      pieces: pieces, usesByteAlphabet: hasRules, merging: hasRules ? .rules(rules) : .ranks, pattern: pattern)
    v.composition = [.none, .segments, .wholeText][composition]
    v.prefersWholeWords = prefersWholeWords
    v.addsPrefixSpace = addsPrefixSpace
    vocabulary = v
    added = r.added()
    (sets, decodings) = SentencePieceFixture.expectations(&r, texts)
  }

  func tokenizer() throws -> Tokenizer { try Tokenizer(.byteLevel(ByteLevelBPE(vocabulary)), added: added) }
}
