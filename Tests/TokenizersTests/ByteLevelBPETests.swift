// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenizers

/// Against HF tokenizers ("opt", "prefixspace", "qwen2", "llama3") and tiktoken ("qwen", "shuffled").
@Suite struct ByteLevelBPETests {
  static let names = ["opt", "prefixspace", "qwen2", "llama3", "qwen", "shuffled"]

  @Test(arguments: names) func givesTheReferenceIds(name: String) throws {
    let texts = try FixtureReader.texts()
    let fixture = try ByteLevelFixture(name, texts: texts.count)
    let tokenizer = try fixture.tokenizer()
    #expect(fixture.sets.count == 2)
    for set in fixture.sets {
      var wrong = 0
      for (text, expected) in zip(texts, set.ids) {
        let found = try tokenizer.encode(text, addBOS: false, parseSpecials: set.parsesSpecials)
        guard found != expected else { continue }
        wrong += 1
        if wrong <= 3 { Issue.record("\(name): \(String(decoding: text, as: UTF8.self)) \(text): \(found), not \(expected)") }
      }
      #expect(wrong == 0, "of \(texts.count)")
    }
  }

  @Test(arguments: names) func decodesAsTheReference(name: String) throws {
    let count = try FixtureReader.texts().count
    let fixture = try ByteLevelFixture(name, texts: count)
    let tokenizer = try fixture.tokenizer()
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
}
