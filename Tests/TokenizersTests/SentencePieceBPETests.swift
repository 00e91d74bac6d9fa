// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenizers

/// Against the sentencepiece package and, for added tokens, against HF tokenizers.
@Suite struct SentencePieceBPETests {
  static let names = ["llama", "nfkc", "defined", "unused", "noprefix"]

  @Test(arguments: names) func givesTheReferenceIds(name: String) throws {
    let texts = try FixtureReader.texts()
    let fixture = try SentencePieceFixture(name, texts: texts.count)
    #expect(fixture.sets.count >= 1)
    for set in fixture.sets {
      let tokenizer = try fixture.tokenizer(rule: set.rule)
      var wrong = 0
      for (text, expected) in zip(texts, set.ids) {
        let found = try tokenizer.encode(text, addBOS: false, parseSpecials: set.parsesSpecials)
        guard found != expected else { continue }
        wrong += 1
        if wrong <= 3 { Issue.record("\(name), rule \(set.rule): \(String(decoding: text, as: UTF8.self)) \(text): \(found), not \(expected)") }
      }
      #expect(wrong == 0, "of \(texts.count)")
    }
  }

  @Test(arguments: names) func decodesAsTheReference(name: String) throws {
    let count = try FixtureReader.texts().count
    let fixture = try SentencePieceFixture(name, texts: count)
    // sentencepiece knows no added tokens, which would hide "<unk>".
    let tokenizer = try Tokenizer(.sentencePiece(SentencePieceBPE(fixture.vocabulary)))
    #expect(fixture.decodings.count >= count / 4)
    var wrong = 0
    for (ids, expected) in fixture.decodings {
      var stream = tokenizer.streamingDecoder()
      var pieces: [UInt8] = []
      for id in ids {
        let piece = stream.append(id)
        #expect(String(validating: piece, as: UTF8.self) != nil)
        pieces += piece
      }
      pieces += stream.finish()
      #expect(pieces == tokenizer.decode(ids))
      guard pieces != expected else { continue }
      wrong += 1
      if wrong <= 3 { Issue.record("\(name): \(ids): \(pieces), not \(expected)") }
    }
    #expect(wrong == 0, "of \(fixture.decodings.count)")
  }

  /// With specials shown, the text of what a text became becomes the same again.
  @Test(arguments: ["llama", "noprefix", "unused"], [0, 1, 2]) func aShownTextIsReadAgain(name: String, rule: Int) throws {
    let texts = try FixtureReader.texts()
    let fixture = try SentencePieceFixture(name, texts: texts.count)
    let tokenizer = try fixture.tokenizer(rule: rule)
    let special = fixture.added.first { $0.isSpecial && !$0.stripsLeft && !$0.stripsRight }?.text ?? []
    var compared = 0
    let shapes: [([UInt8]) -> [UInt8]] = [{ $0 }, { special + $0 }, { special + [0x20] + $0 + special + [0x20, 0x20] + $0 }]
    // A space mark in a text comes out as a space, which may be another piece.
    let mark = "\u{2581}"
    for text in texts.filter({ !String(decoding: $0, as: UTF8.self).contains(mark) }).flatMap({ text in shapes.map { $0(text) } }) {
      let ids = try tokenizer.encode(text, addBOS: true, parseSpecials: true)
      // An unknown piece has lost its text.
      guard !ids.contains(where: { fixture.vocabulary.types.indices.contains(Int($0)) && fixture.vocabulary.types[Int($0)] == 2 }) else { continue }
      let shown = tokenizer.decode(Array(ids.dropFirst()), showsSpecials: true)
      let again = try tokenizer.encode(shown, addBOS: true, parseSpecials: true)
      compared += 1
      if again != ids { Issue.record("\(name), rule \(rule): \(text): \(ids), then \(again)") }
    }
    #expect(compared > 100)
  }
}
