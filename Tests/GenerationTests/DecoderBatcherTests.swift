// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Fovea
import Generation
import TestSupport
import Testing

/// Sessions that answer at the same time: each answer is the one that the session gives alone.
@Suite struct DecoderBatcherTests {
  private struct Question {
    let prompt: String
    let options: GenerateOptions

    init(_ prompt: String, _ change: (inout GenerateOptions) -> Void = { _ in }) {
      var options = GenerateOptions()
      (options.maxTokens, options.ignoresEnd, options.isRaw) = (40, true, true)
      change(&options)
      (self.prompt, self.options) = (prompt, options)
    }
  }

  private let questions = [
    Question("abc"), Question("a longer one") { ($0.temperature, $0.seed) = (1, 7) },
    // Several pieces of a prompt, and what a drafter drafts.
    Question(String(repeating: "ab c", count: 40)) { $0.draftTokens = 6 },
    Question("beams") { $0.beams = 3 }, Question("several") { ($0.temperature, $0.answers, $0.maxTokens) = (1, 3, 12) },
    Question("short") { $0.maxTokens = 2 }, Question("<image>x") { $0.repetitionPenalty = 1.3 }, Question("<image>x") { $0.topLogProbabilities = 3 },
  ]

  private func answer(_ question: Question, _ session: Session, _ image: ImageEmbedding) throws -> [[Int32]] {
    let images = question.prompt.contains("<image>") ? [image] : []
    let result = try session.generate(prompt: Array(question.prompt.utf8), images: images, options: question.options)
    return [result.ids] + result.others.map { $0.ids } + [result.topIds]
  }

  /// Runs the bodies at the same time.
  private func together(_ bodies: [() -> Void]) {
    let group = DispatchGroup()
    for body in bodies {
      group.enter()
      let shared = Shared(value: body)
      Thread {
        shared.value()
        group.leave()
      }.start()
    }
    group.wait()
  }

  private final class Found<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [Int: Value] = [:]
    subscript(i: Int) -> Value? {
      get { lock.withLock { values[i] } }
      set { lock.withLock { values[i] = newValue } }
    }
  }

  /// Both are used as their documentation allows: a model by any thread, a session by one.
  private struct Shared<Value>: @unchecked Sendable { let value: Value }

  @Test(arguments: [nil, 24] as [Int?], [1, 3]) func answersAreThoseAlone(_ trained: Int?, _ threads: Int) throws {
    let tiny = try TinyModel(trained: trained)
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: threads))
    let image = try model.encode(TinyModel.image(width: 40, height: 90))
    let alone = try questions.map { try answer($0, Session(model), image) }
    #expect(model.batcher.sharedPasses == 0)
    let found = Found<[[Int32]]>()
    // On a busy machine threads may take turns for a while.
    for round in 0..<40 where round < 3 || model.batcher.sharedPasses == 0 {
      let sessions = try questions.map { _ in try Session(model) }
      together(
        questions.indices.map { i in
          { found[i] = try? answer(questions[i], sessions[i], image) }
        })
      for i in questions.indices { #expect(found[i] == alone[i], "\(questions[i].prompt)") }
    }
    #expect(model.batcher.sharedPasses > 0)
  }

  @Test func scoresAreThoseAlone() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let texts = ["ab", "c", "some longer text"].map { Array($0.utf8) }
    func score(_ i: Int) -> [Double]? {
      try? Session(model).score(prompt: Array("prompt \(i)".utf8), images: [], continuations: texts, options: GenerateOptions())
    }
    let alone = (0..<4).map { score($0) }
    let found = Found<[Double]>()
    together((0..<4).map { i in { found[i] = score(i) } })
    for i in 0..<4 { #expect(found[i] == alone[i]) }
  }

  @Test func oneThatIsStoppedLeavesTheOthersAsTheyAre() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let options = Question("x") { $0.maxTokens = 60 }.options
    let alone = try Session(model).generate(prompt: Array("abc".utf8), images: [], options: options).ids
    let sessions = try (0..<3).map { _ in try Session(model) }
    let (found, failed) = (Found<[Int32]>(), Found<String>())
    together(
      (0..<3).map { i in
        {
          var made = 0
          do {
            let result = try sessions[i].generate(prompt: Array("abc".utf8), images: [], options: options) { _, _ in
              made += 1
              if i == 1, made == 5 { sessions[i].stop.cancel() }
              return true
            }
            found[i] = result.ids
          } catch { failed[i] = "\(error)" }
        }
      })
    #expect(found[0] == alone && found[2] == alone)
    #expect(failed[1]?.contains("ancelled") == true)
    // It goes on where it was.
    #expect(try sessions[1].generate(prompt: Array("abc".utf8), images: [], options: options).ids == alone)
  }

  /// A host's callback may take as long as it likes: the others are not kept.
  @Test func nobodyWaitsForACallback() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 2))
    let options = Question("x") { $0.maxTokens = 30 }.options
    let sessions = try (0..<2).map { _ in try Session(model) }
    let ended = DispatchSemaphore(value: 0)
    let found = Found<Int>()
    together([
      {
        var isFirst = true
        let result = try? sessions[0].generate(prompt: Array("abc".utf8), images: [], options: options) { _, _ in
          if isFirst { ended.wait() }
          isFirst = false
          return true
        }
        found[0] = result?.ids.count
      },
      {
        found[1] = try? sessions[1].generate(prompt: Array("abc".utf8), images: [], options: options).ids.count
        ended.signal()
      },
    ])
    #expect(found[0] == 30 && found[1] == 30)
  }
}
