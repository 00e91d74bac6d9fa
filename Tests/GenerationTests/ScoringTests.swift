// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Fovea
import Generation
import TestSupport
import Testing

@Suite struct ScoringTests {
  private var raw: GenerateOptions {
    var o = GenerateOptions()
    o.isRaw = true
    o.maxTokens = 12
    o.ignoresEnd = true
    return o
  }

  @Test func aScoreIsTheSumOfItsTokensLogProbabilities() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let e = try model.encode(TinyModel.image(width: 40, height: 32))
    let session = try Session(model)
    // The last ones take two and three passes.
    let texts = ["yes", "no", "z", "abcabcabcabc", "atextwithmorethantwentyfourletters"]
    let before = try session.generate(prompt: Array("<image>abc".utf8), images: [e], options: raw).ids
    let scores = try session.score(
      prompt: Array("<image>abc".utf8), images: [e], continuations: texts.map { Array($0.utf8) }, options: raw)
    for (text, score) in zip(texts, scores) {
      // This tokenizer's pieces are letters and blanks, and a text by itself gets a blank in front.
      let ids = try model.tokenize(Array(text.utf8))
      #expect(ids.count == text.utf8.count + 1)
      var expected = 0.0
      try session.logits(prompt: Array("<image>abc \(text)".utf8), images: [e], options: raw) { values, rows in
        let vocabulary = values.count / rows
        for (i, id) in ids.enumerated() {
          let row = values[((rows - ids.count + i - 1) * vocabulary)..<((rows - ids.count + i) * vocabulary)].map { Double($0) }
          expected += row[Int(id)] - log(row.reduce(0) { $0 + exp($1) })
        }
      }
      #expect(abs(score - expected) < 1e-4, "\(text): \(score), expected \(expected)")
    }
    // Scoring leaves the session as it was.
    _ = try session.score(prompt: Array("<image>abc".utf8), images: [e], continuations: [Array("yes".utf8)], options: raw)
    let after = try session.generate(prompt: Array("<image>abc".utf8), images: [e], options: raw)
    #expect(after.ids == before && after.reusedTokens == after.promptTokens - 1)
  }

  @Test func anEmptyTextAndOnePastTheContextAreNamed() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1, contextLength: 16))
    let session = try Session(model)
    let cases: [([UInt8], Status, String)] = [
      ([], .argument, "continuations[1]"), (Array(repeating: UInt8(ascii: "a"), count: 20), .context, "continuations[1]"),
    ]
    for (text, status, words) in cases {
      do {
        _ = try session.score(prompt: Array("ab".utf8), images: [], continuations: [Array("a".utf8), text], options: raw)
        Issue.record("no error")
      } catch {
        #expect(error.status == status && error.message.contains(words), "\(error.message)")
      }
    }
  }

  @Test func anAnswerDoesNotEndBeforeItsLeastTokens() throws {
    // All rows of the head but the end's are zero: where its score is positive the answer ends at once.
    let tiny = try TinyModel { name, x in
      guard name == "language.head.weight" else { return }
      for o in 0..<TinyModel.vocabulary where o != 2 { for i in 0..<TinyModel.hidden { x[o * TinyModel.hidden + i] = 0 } }
    }
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    var ended = 0
    for prompt in ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op"] {
      var o = raw
      o.ignoresEnd = false
      let free = try Session(model).generate(prompt: Array(prompt.utf8), images: [], options: o)
      ended += free.ids.isEmpty ? 1 : 0
      o.minTokens = 5
      let held = try Session(model).generate(prompt: Array(prompt.utf8), images: [], options: o)
      #expect(held.ids.count >= 5 && !held.ids.contains(2))
    }
    #expect(ended > 0)
  }
}

@Suite struct DynamicPositionsTests {
  private func answer(_ session: Session, _ prompt: String) throws -> GenerateResult {
    var o = GenerateOptions()
    o.isRaw = true
    o.maxTokens = 8
    o.ignoresEnd = true
    return try session.generate(prompt: Array(prompt.utf8), images: [], options: o)
  }

  /// The base of the rotation belongs to the prompt's length: what a shorter prompt left in the cache must not be taken over.
  @Test func aLongerPromptOfAnotherBaseSharesNothing() throws {
    let tiny = try TinyModel(trained: 16)
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let session = try Session(model)
    let (short, long, longer) = ("abcdefgh", "abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwxyz")
    let first = try answer(session, short)
    let second = try answer(session, long)
    #expect(second.reusedTokens == 0)
    #expect(try answer(Session(model), long).ids == second.ids)
    let third = try answer(session, longer)
    #expect(third.reusedTokens > 20)
    #expect(try answer(Session(model), longer).ids == third.ids)
    let again = try answer(session, short)
    #expect(again.reusedTokens == 0 && again.ids == first.ids)
  }
}
