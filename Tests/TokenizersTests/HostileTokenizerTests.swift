// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenizers

/// Vocabularies come from a file and texts from strangers: each may be refused, neither may take the process down.
@Suite struct HostileTokenizerTests {
  /// Unknown, `<s>`, "a", "▁", "aa", "▁a".
  static func vocabulary() -> SentencePieceVocabulary {
    SentencePieceVocabulary(
      pieces: ByteStrings(["<unk>", "<s>", "a", "▁", "aa", "▁a"]), scores: [0, 0, -3, -4, -1, -2], types: [2, 3, 1, 1, 1, 1])
  }

  static func failure(_ v: SentencePieceVocabulary) -> TokenizerError? {
    do throws(TokenizerError) {
      _ = try SentencePieceBPE(v)
      return nil
    } catch { return error }
  }

  @Test func encodesTheSmallModel() throws {
    let t = try Tokenizer(.sentencePiece(SentencePieceBPE(Self.vocabulary())), bosId: 1)
    #expect(try t.encode(Array("aaa a".utf8), addBOS: true, parseSpecials: false) == [1, 3, 4, 2, 5])
    #expect(t.decode([1, 3, 4, 2, 5]) == Array("aaa a".utf8))
    #expect(t.decode([1, 2], showsSpecials: true) == Array("<s>a".utf8))
    #expect(t.vocabularySize == 6)
    #expect(t.id(of: Array("aa".utf8)) == 4)
    #expect(t.id(of: Array("<s>".utf8)) == 1)
    #expect(t.id(of: Array("b".utf8)) == nil)
  }

  @Test func namesWhatIsWrongWithAVocabulary() {
    var v = Self.vocabulary()
    v.scores.removeLast()
    #expect(Self.failure(v) == .countMismatch(list: "scores", expected: 6, found: 5))
    v = Self.vocabulary()
    v.types.append(1)
    #expect(Self.failure(v) == .countMismatch(list: "types", expected: 6, found: 7))
    v = Self.vocabulary()
    v.types[2] = 7
    #expect(Self.failure(v) == .invalidType(id: 2, type: 7))
    v = Self.vocabulary()
    v.types[0] = 1
    #expect(Self.failure(v) == .unknownPieceCount(0))
    v = Self.vocabulary()
    v.types[5] = 2
    #expect(Self.failure(v) == .unknownPieceCount(2))
    v = Self.vocabulary()
    v.scores[3] = .nan
    #expect(Self.failure(v) == .invalidScore(id: 3))
    v = Self.vocabulary()
    v.pieces = ByteStrings(["<unk>", "<s>", "a", "▁", "aa", "a"])
    #expect(Self.failure(v) == .duplicatePiece(id: 5))
    v.pieces = ByteStrings(["<unk>", "<s>", "a", "", "aa", "▁a"])
    #expect(Self.failure(v) == .invalidPiece(id: 3, reason: "is empty"))
    v.pieces = ByteStrings(["<unk>", "<s>", "a", "b", "aa", String(repeating: "x", count: 4097)])
    #expect(Self.failure(v) == .invalidPiece(id: 5, reason: "is too long"))
    v.pieces = ByteStrings(["<unk>", "<s>", "a", "▁", "aa"])
    v.pieces.append([0x61, 0xFF])
    #expect(Self.failure(v) == .invalidPiece(id: 5, reason: "is not UTF-8"))
    v = Self.vocabulary()
    v.types[2] = 6
    #expect(Self.failure(v) == .invalidPiece(id: 2, reason: "is a byte piece, but not of the form <0xAB>"))
    v.pieces = ByteStrings(["<unk>", "<s>", "<0x00>", "▁", "aa", "▁a"])
    #expect(Self.failure(v) == .missingBytePiece(byte: 1))
    v = Self.vocabulary()
    v.characterMap = [1, 2, 3]
    #expect(Self.failure(v) == .invalidCharacterMap(offset: 0))
  }

  @Test func refusesOffsetsOutOfOrder() {
    func failure(_ bytes: Int, _ offsets: [Int]) -> TokenizerError? {
      do throws(TokenizerError) {
        _ = try ByteStrings(bytes: [UInt8](repeating: 65, count: bytes), offsets: offsets)
        return nil
      } catch { return error }
    }
    #expect(failure(3, [0, 1, 3]) == nil)
    #expect(failure(0, [0]) == nil)
    #expect(failure(0, []) == .invalidOffsets(index: 0))
    #expect(failure(3, [1, 3]) == .invalidOffsets(index: 0))
    #expect(failure(3, [0, 2, 1, 3]) == .invalidOffsets(index: 2))
    #expect(failure(3, [0, 2]) == .invalidOffsets(index: 1))
    #expect(failure(3, [0, 4]) == .invalidOffsets(index: 1))
  }

  @Test func refusesIdsOutsideTheVocabulary() throws {
    let model = try SentencePieceBPE(Self.vocabulary())
    for id in [Int32.min, -1, 6, .max] {
      #expect(throws: TokenizerError.idOutOfRange(name: "bos", id: Int(id), count: 6)) {
        _ = try Tokenizer(.sentencePiece(model), bosId: id)
      }
    }
    for id in [Int32.min, -1, 1 << 24, .max] {
      #expect(throws: TokenizerError.idOutOfRange(name: "added token", id: Int(id), count: 1 << 24)) {
        _ = try Tokenizer(.sentencePiece(model), added: [AddedToken(text: [65], id: id)])
      }
    }
    #expect(throws: TokenizerError.invalidPiece(id: 9, reason: "is an added token without text")) {
      _ = try Tokenizer(.sentencePiece(model), added: [AddedToken(text: [], id: 9)])
    }
    let t = try Tokenizer(.sentencePiece(model))
    #expect(t.decode([Int32.min, -1, 6, .max, 2]) == [0x61])
  }

  @Test func saysWhereATextIsNotUTF8() throws {
    let t = try Tokenizer(.sentencePiece(SentencePieceBPE(Self.vocabulary())))
    let bad: [([UInt8], Int)] = [
      ([0x80], 0), ([0x61, 0xC3], 1), ([0x61, 0xC0, 0x80], 1), ([0xED, 0xA0, 0x80], 0), ([0xF4, 0x90, 0x80, 0x80], 0),
      ([0xE4, 0xBD, 0xA0, 0xE4, 0xBD], 3), ([0xF0, 0x8F, 0xBF, 0xBF], 0), ([0xE0, 0x9F, 0xBF], 0), ([0xFF], 0),
    ]
    for (text, offset) in bad {
      #expect(throws: TokenizerError.invalidUTF8(offset: offset)) { _ = try t.encode(text, addBOS: false, parseSpecials: true) }
      #expect(throws: TokenizerError.invalidUTF8(offset: offset)) {
        _ = try text.withUnsafeBufferPointer { try t.encode($0, addBOS: false, parseSpecials: true) }
      }
    }
    let limit = Tokenizer.textLimit
    #expect(throws: TokenizerError.textTooLong(bytes: limit + 1, limit: limit)) {
      _ = try t.encode([UInt8](repeating: 0x61, count: limit + 1), addBOS: false, parseSpecials: false)
    }
  }

  /// A quadratic step anywhere would take hours.
  @Test(.timeLimit(.minutes(2)), arguments: ["llama", "unused"])
  func takesAMegabyteOfOneLetter(name: String) throws {
    let t = try SentencePieceFixture(name, texts: FixtureReader.texts().count).tokenizer()
    for unit in ["a", " ", "é", "<", "▁", "\u{301}", "<s>"] {
      let text = Array(String(repeating: unit, count: 1_000_000 / unit.utf8.count).utf8)
      let ids = try t.encode(text, addBOS: false, parseSpecials: true)
      #expect(ids.count <= text.count + 3)
      // A space mark in the text comes back as a space, "<s>" as nothing. (Compared outside #expect, which would describe a difference.)
      let isRoundTrip = t.decode(ids) == text
      if name == "llama", unit != "<s>", unit != "▁" { #expect(isRoundTrip) }
    }
  }

  /// Also of marks that stand in the wrong order, which form C has to sort.
  @Test(.timeLimit(.minutes(2)), arguments: ["opt", "qwen2", "qwen"])
  func takesAMegabyteOfOneKindOfCharacter(name: String) throws {
    let t = try ByteLevelFixture(name, texts: FixtureReader.texts().count).tokenizer()
    for unit in ["a", " ", " \n", "1", "'", "\u{301}\u{315}\u{5B0}", "한", "<|im_start|>"] {
      let text = Array(String(repeating: unit, count: 1_000_000 / unit.utf8.count).utf8)
      let ids = try t.encode(text, addBOS: false, parseSpecials: true)
      #expect(ids.count <= text.count)
      let isRoundTrip = t.decode(ids) == text
      if unit.unicodeScalars.count < 3 { #expect(isRoundTrip) }
    }
  }

  /// No pattern looks at a character again and again.
  @Test(.timeLimit(.minutes(2))) func everySplitTakesManyOfOneKindOfCharacter() throws {
    let splits: [SplitPattern] = [
      .gpt2, .contracted(digits: 3, marks: true), .cased(digits: 3, contractions: true), .deepSeek3, .digits(limit: 1), .lineBreaks,
      .trailingBlanks, .run(of: .letters, afterBlank: true), .run(of: .deepSeekSymbols, afterBlank: true),
      .run(of: .deepSeekIdeographs, afterBlank: false),
    ]
    for unit in ["a", "A", "aA", " ", "  !", " \n", "\n", "1", "'s", "\u{301}", "的", "\u{3000}", "\u{7F}"] {
      let text = Array(String(repeating: unit, count: 200_000 / unit.utf8.count).utf8)
      var isRoundTrip = true
      for split in splits {
        var v = Self.byteLevel(nil)
        v.splits = [split, .none]
        let t = try Tokenizer(.byteLevel(ByteLevelBPE(v)))
        if try t.decode(t.encode(text, addBOS: false, parseSpecials: true)) != text { isRoundTrip = false }
      }
      #expect(isRoundTrip, "\(unit)")
    }
  }

  @Test func neverMakesControlPiecesFromText() throws {
    let texts = try FixtureReader.texts()
    for name in SentencePieceBPETests.names {
      let fixture = try SentencePieceFixture(name, texts: texts.count)
      let t = try fixture.tokenizer()
      for text in texts {
        for id in try t.encode(text, addBOS: false, parseSpecials: false) { #expect(fixture.vocabulary.types[Int(id)] != 3) }
      }
    }
  }

  /// All bytes in ascending order, then "ab".
  static func byteLevel(_ rules: [String]?) -> ByteLevelVocabulary {
    var pieces = ByteStrings()
    if rules == nil {
      for b in 0...255 { pieces.append([UInt8(b)]) }
    } else {
      for s in ["a", "b", "ab", "<|end▁of|>"] { pieces.append(s.utf8) }
    }
    if rules == nil { pieces.append("ab".utf8) }
    return ByteLevelVocabulary(
      pieces: pieces, usesByteAlphabet: rules != nil, merging: rules.map { .rules(ByteStrings($0)) } ?? .ranks,
      pattern: .contracted(digits: 1, marks: false))
  }

  static func failure(_ v: ByteLevelVocabulary) -> TokenizerError? {
    do throws(TokenizerError) {
      _ = try ByteLevelBPE(v)
      return nil
    } catch { return error }
  }

  @Test func namesWhatIsWrongWithAByteLevelVocabulary() throws {
    #expect(Self.failure(Self.byteLevel(nil)) == nil)
    #expect(Self.failure(Self.byteLevel(["a b"])) == nil)
    for bad in ["ab", "a c", "a  b", "a b ", "b a", " ", "", "a \u{2581}"] {
      #expect(Self.failure(Self.byteLevel(["a b", bad])) == .invalidMerge(rank: 1), "\(bad)")
    }
    var v = Self.byteLevel(["a b"])
    v.unknownId = 4
    #expect(Self.failure(v) == .idOutOfRange(name: "unknown", id: 4, count: 4))
    v.unknownId = -1
    #expect(Self.failure(v) == .idOutOfRange(name: "unknown", id: -1, count: 4))
    v = Self.byteLevel(["a b"])
    v.pieces.append([0xFF])
    #expect(Self.failure(v) == .invalidPiece(id: 4, reason: "is not UTF-8"))
    v = Self.byteLevel(["a b"])
    v.pieces.append("b".utf8)
    #expect(Self.failure(v) == .duplicatePiece(id: 4))
    v = Self.byteLevel(nil)
    v.pieces.append([UInt8](repeating: 7, count: 4097))
    #expect(Self.failure(v) == .invalidPiece(id: 257, reason: "is too long"))
    v.pieces = ByteStrings(["a"])
    #expect(Self.failure(v) == .missingBytePiece(byte: 0))
  }

  /// As HF: unknown id where there is one, else nothing; a piece outside the byte alphabet is shown as it is.
  @Test func bytesWithoutAPieceAreUnknownOrDropped() throws {
    var v = Self.byteLevel(["a b"])
    #expect(try Tokenizer(.byteLevel(ByteLevelBPE(v))).encode(Array("abcab".utf8), addBOS: true, parseSpecials: true) == [2, 2])
    v.unknownId = 3
    let t = try Tokenizer(.byteLevel(ByteLevelBPE(v)), bosId: 3)
    #expect(try t.encode(Array("abcab".utf8), addBOS: true, parseSpecials: true) == [3, 2, 3, 2])
    #expect(t.decode([3, 2, 0]) == Array("<|end▁of|>aba".utf8))
  }

  /// A character split over ids comes out when its last byte is there; what stays incomplete becomes U+FFFD.
  @Test func streamsOnlyWholeCharacters() throws {
    let t = try Tokenizer(.byteLevel(ByteLevelBPE(Self.byteLevel(nil))), added: [AddedToken(text: Array("<x>".utf8), id: 300)])
    var d = t.streamingDecoder(showsSpecials: false)
    #expect(d.append(0xE4) == [])
    #expect(d.append(0xBD) == [])
    #expect(d.append(300) == [])
    #expect(d.append(0xA0) == Array("你".utf8))
    #expect(d.append(0xF0) == [])
    #expect(d.append(0x9F) == [])
    #expect(d.append(0x61) == Array("\u{FFFD}a".utf8))
    #expect(d.append(0x80) == Array("\u{FFFD}".utf8))
    #expect(d.append(0xE4) == [])
    #expect(d.finish() == Array("\u{FFFD}".utf8))
    var shown = t.streamingDecoder(showsSpecials: true)
    #expect(shown.append(0xE4) == [])
    #expect(shown.append(300) == Array("\u{FFFD}<x>".utf8))
  }

  /// Marks out of order, long runs of them, and the signs that decompose into marks; expected values by Python's unicodedata.
  @Test func composesAsPython() throws {
    var v = Self.byteLevel(nil)
    v.composition = .wholeText
    let t = try Tokenizer(.byteLevel(ByteLevelBPE(v)), added: [AddedToken(text: Array("<x>".utf8), id: 300)])
    func composed(_ text: String) throws -> String {
      String(decoding: t.decode(try t.encode(Array(text.utf8), addBOS: false, parseSpecials: true), showsSpecials: true), as: UTF8.self)
    }
    func scalars(_ s: String) -> [UInt32] { s.unicodeScalars.map(\.value) }
    #expect(scalars(try composed("a\u{301}")) == [0xE1])
    #expect(scalars(try composed("a\u{315}\u{301}")) == [0xE1, 0x315])
    #expect(scalars(try composed("\u{1100}\u{1161}\u{11A8}")) == [0xAC01])
    #expect(scalars(try composed("\u{212B}\u{2126}")) == [0xC5, 0x3A9])
    #expect(scalars(try composed("x\u{5AF}\u{F81}")) == [0x78, 0xF71, 0xF80, 0x5AF])
    #expect(scalars(try composed("x\u{F73}\u{F75}")) == [0x78, 0xF71, 0xF71, 0xF72, 0xF74])
    // The whole text is composed first, so a mark can take the token's last character away.
    #expect(scalars(try composed("<x>\u{338}")) == [0x3C, 0x78, 0x226F])
    let run = String(repeating: "\u{315}\u{5B0}", count: 40)
    let sorted = [UInt32](repeating: 0x5B0, count: 40) + [UInt32](repeating: 0x315, count: 40)
    #expect(scalars(try composed("a" + run + "b" + run)) == [0x61] + sorted + [0x62] + sorted)
    #expect(scalars(try composed("a" + run + "\u{301}")) == [0xE1] + [UInt32](repeating: 0x5B0, count: 40) + [UInt32](repeating: 0x315, count: 40))
  }

  @Test func survivesDamagedVocabularies() throws {
    var random = SeededRandom(state: 2024)
    let texts = Array(try FixtureReader.texts().prefix(200))
    let names = ["nfkc", "unused"]
    let originals = try names.map { try SentencePieceFixture($0, texts: FixtureReader.texts().count).vocabulary }
    var accepted = 0
    for round in 0..<300 {
      var v = originals[round % 2]
      switch random.below(3) {
      case 0 where !v.characterMap.isEmpty:
        for _ in 0...random.below(20) { v.characterMap[random.below(v.characterMap.count)] = UInt8(random.below(256)) }
        if random.below(4) == 0 { v.characterMap.removeLast(random.below(v.characterMap.count)) }
      case 1:
        for _ in 0...random.below(20) { v.types[random.below(v.types.count)] = [1, 4, 5, 3][random.below(4)] }
      default:
        for _ in 0...random.below(200) { v.scores[random.below(v.scores.count)] = Float(random.below(5)) - 2 }
      }
      guard let model = try? SentencePieceBPE(v) else { continue }
      accepted += 1
      let t = try Tokenizer(.sentencePiece(model))
      for _ in 0..<5 {
        let ids = try t.encode(texts[random.below(texts.count)], addBOS: false, parseSpecials: false)
        #expect(String(validating: t.decode(ids), as: UTF8.self) != nil)
      }
    }
    #expect(accepted > 100)
  }
}

/// SplitMix64.
struct SeededRandom {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  mutating func below(_ n: Int) -> Int { Int(next() % UInt64(n)) }
}
