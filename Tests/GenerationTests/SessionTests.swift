// SPDX-License-Identifier: Apache-2.0
import Families
import Fovea
import Generation
import Images
import TestSupport
import Testing

@Suite struct SessionTests {
  private func ask(_ session: Session, _ prompt: String, _ images: [ImageEmbedding], _ options: GenerateOptions) throws -> GenerateResult {
    try session.generate(prompt: Array(prompt.utf8), images: images, options: options)
  }

  private var twelve: GenerateOptions {
    var o = GenerateOptions()
    o.maxTokens = 12
    o.ignoresEnd = true
    return o
  }

  private func expect(_ status: Status, containing words: String, _ body: () throws -> Void) {
    do {
      try body()
      Issue.record("no error, expected one that says: \(words)")
    } catch let error as FoveaError {
      #expect(error.status == status)
      #expect(error.message.contains(words), "\(error.message)")
    } catch { Issue.record("\(error)") }
  }

  @Test func oneAndTwoThreadsGiveTheSameTokens() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let image = try TinyModel.image(width: 70, height: 50)
    var answers: [[Int32]] = []
    var vectors: [[Float]] = []
    for threads in [1, 2, 3] {
      let model = try Model.load(path: tiny.path, options: LoadOptions(threads: threads))
      let e = try model.encode(image)
      vectors.append(Array(UnsafeBufferPointer(start: e.data, count: e.tokens * e.hiddenSize)))
      answers.append(try ask(Session(model), "what", [e], twelve).ids)
    }
    #expect(vectors[0] == vectors[1] && vectors[0] == vectors[2])
    #expect(answers[0] == answers[1] && answers[0] == answers[2])
    #expect(answers[0].count == 12)
  }

  @Test func whatThePromptsShareIsNotComputedAgainAndChangesNothing() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let e = try model.encode(TinyModel.image(width: 40, height: 90))
    let session = try Session(model)
    let first = try ask(session, "how many", [e], twelve)
    #expect(first.reusedTokens == 0)
    let second = try ask(session, "how much", [e], twelve)
    #expect(second.reusedTokens > e.tokens)
    let fresh = try ask(Session(model), "how much", [e], twelve)
    #expect(second.ids == fresh.ids)
    let again = try ask(session, "how many", [e], twelve)
    #expect(again.ids == first.ids)
  }

  @Test func logitsChooseTheFirstTokenOfEveryPrefix() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let e = try model.encode(TinyModel.image(width: 32, height: 32))
    let session = try Session(model)
    var o = twelve
    o.isRaw = true
    let ids = try ask(session, "<image>abc", [e], o).ids
    try session.logits(prompt: Array("<image>abc".utf8), images: [e], options: o) { values, rows in
      let vocabulary = values.count / rows
      #expect(vocabulary == TinyModel.vocabulary)
      let last = values.suffix(vocabulary)
      #expect(last.firstIndex(of: last.max()!)! - last.startIndex == Int(ids[0]))
    }
  }

  @Test func streamedPiecesAreTheText() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    var o = twelve
    o.maxTokens = 60
    o.temperature = 1.5
    o.seed = 5
    var streamed: [UInt8] = []
    let result = try Session(model).generate(prompt: Array("x".utf8), images: [], options: o) { _, piece in
      streamed += piece
      return true
    }
    #expect(streamed == result.text)
    #expect(try model.detokenize(result.ids) == result.text)
    o.seed = 6
    #expect(try ask(Session(model), "x", [], o).ids != result.ids)
  }

  @Test func aCallbackStopsTheAnswer() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    var seen = 0
    let result = try Session(model).generate(prompt: Array("x".utf8), images: [], options: twelve) { _, _ in
      seen += 1
      return seen < 3
    }
    #expect(result.ids.count == 3)
    #expect(result.stopReason == .callback)
  }

  @Test func cancellingLeavesTheSessionUsable() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    let session = try Session(model)
    let whole = try ask(session, "question", [], twelve).ids
    expect(.cancelled, containing: "cancelled") {
      _ = try session.generate(prompt: Array("question two".utf8), images: [], options: twelve) { _, _ in
        session.stop.cancel()
        return true
      }
    }
    #expect(try ask(session, "question", [], twelve).ids == whole)
    var late = twelve
    late.deadlineSeconds = 1e-9
    expect(.deadline, containing: "deadline") { _ = try ask(session, "other", [], late) }
    #expect(try ask(session, "question", [], twelve).ids == whole)
  }

  @Test func aStoppedEncodeSaysSo() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    let image = try TinyModel.image(width: 32, height: 32)
    expect(.cancelled, containing: "cancelled") { _ = try model.encode(image, progress: { done, _ in done < 1 }) }
  }

  @Test func aPromptPastTheContextIsAnErrorThatNamesTheLengths() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    expect(.context, containing: "256") {
      _ = try ask(Session(model), String(repeating: "a b ", count: 200), [], twelve)
    }
  }

  @Test func theContextEndsAnAnswer() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1, contextLength: 40))
    var o = twelve
    o.maxTokens = 1000
    o.isRaw = true
    let result = try ask(Session(model), "abc", [], o)
    #expect(result.stopReason == .contextFull)
    #expect(result.promptTokens + result.ids.count == 41)
  }

  @Test func marksAndImagesMustAgree() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    let e = try model.encode(TinyModel.image(width: 32, height: 32))
    var raw = twelve
    raw.isRaw = true
    expect(.argument, containing: "2 <image> marks, but 1 images") {
      _ = try ask(Session(model), "<image><image>", [e], raw)
    }
    expect(.argument, containing: "0 <image> marks, but 1 images") { _ = try ask(Session(model), "none", [e], raw) }
  }

  @Test func nonsenseOptionsAreNamed() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let session = try Session(Model.load(path: tiny.path, options: LoadOptions(threads: 1)))
    for (word, change) in [
      ("maxTokens", { $0.maxTokens = -1 }), ("temperature", { $0.temperature = .nan }),
      ("temperature", { $0.temperature = -1 }), ("topK", { $0.topK = -1 }), ("topP", { $0.topP = 0 }),
      ("repetitionPenalty", { $0.repetitionPenalty = 0 }), ("deadline", { $0.deadlineSeconds = -1 }),
    ] as [(String, (inout GenerateOptions) -> Void)] {
      var o = twelve
      change(&o)
      expect(.argument, containing: word) { _ = try ask(session, "x", [], o) }
    }
    expect(.argument, containing: "UTF-8") {
      _ = try session.generate(prompt: [0x61, 0xFF], images: [], options: twelve)
    }
  }

  @Test func aBudgetTooSmallIsRefusedWithThePlan() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    expect(.memory, containing: "memory budget") {
      _ = try Model.load(path: tiny.path, options: LoadOptions(memoryBudget: 1000))
    }
    let plan = try Model.plan(path: tiny.path, options: LoadOptions())
    _ = try Model.load(path: tiny.path, options: LoadOptions(memoryBudget: plan.total))
  }
}
