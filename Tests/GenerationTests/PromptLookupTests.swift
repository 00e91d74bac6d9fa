// SPDX-License-Identifier: Apache-2.0
import Generation
import TestSupport
import Testing

@Suite struct PromptLookupTests {
  private func answer(_ session: Session, _ prompt: String, drafts: Int, _ change: (inout GenerateOptions) -> Void) throws -> GenerateResult {
    var o = GenerateOptions()
    o.isRaw = true
    o.maxTokens = 60
    o.ignoresEnd = true
    o.draftTokens = drafts
    change(&o)
    return try session.generate(prompt: Array(prompt.utf8), images: [], options: o)
  }

  @Test func guessesNeverChangeAnAnswer() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let ways: [(inout GenerateOptions) -> Void] = [
      { _ in }, { $0.repetitionPenalty = 1.3 }, { ($0.temperature, $0.seed) = (0.7, 3) }, { $0.maxTokens = 2 },
      { ($0.ignoresEnd, $0.minTokens) = (false, 4) },
    ]
    var accepted = 0
    var refused = 0
    // Each session answers one prompt after the other: wrong drafts of one answer must not be left in what the next takes over.
    for way in ways {
      let plain = try Session(model)
      let guessing = try Session(model)
      let few = try Session(model)
      for prompt in ["abcabcabcabc", "abcabcabcabd", "a table: 1 2 3 4, 1 2 3 4, 1 2 3", "x"] {
        let expected = try answer(plain, prompt, drafts: 0, way)
        #expect(expected.draftedTokens == 0 && expected.acceptedTokens == 0)
        for (session, drafts) in [(guessing, 11), (few, 2)] {
          let found = try answer(session, prompt, drafts: drafts, way)
          #expect(found.ids == expected.ids && found.text == expected.text && found.stopReason == expected.stopReason)
          #expect(found.reusedTokens == expected.reusedTokens)
          #expect(found.acceptedTokens <= found.draftedTokens)
          accepted += found.acceptedTokens
          refused += found.draftedTokens - found.acceptedTokens
        }
      }
    }
    #expect(accepted > 0 && refused > 0)
  }

  @Test func guessesStayInsideTheContext() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    let prompt = "abcabcabcabcabcabc"
    let expected = try answer(Session(model, contextLength: 40), prompt, drafts: 0) { $0.maxTokens = 1000 }
    let found = try answer(Session(model, contextLength: 40), prompt, drafts: 11) { $0.maxTokens = 1000 }
    #expect(found.ids == expected.ids)
    #expect(found.stopReason == .contextFull)
  }
}
