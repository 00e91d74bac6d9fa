// SPDX-License-Identifier: Apache-2.0
import Generation
import Kernels
import TestSupport
import Testing

/// An answer made from logits that need no decoder.
@Suite struct DecodingTests {
  private static let vocabulary = TinyModel.vocabulary

  /// The scores after some tokens: likeliest is one that they decide.
  private static func logits(after ids: [Int32]) -> [Float] {
    var logits = [Float](repeating: 0, count: vocabulary)
    let sum = ids.suffix(3).reduce(0) { $0 &+ Int($1) }
    for i in logits.indices { logits[i] = Float((i &* 37 &+ sum &* 11) % 101) }
    // Tokens come in rounds, so that looking back finds something.
    logits[260 + ids.count % 5] += ids.count % 7 == 0 ? 0 : 200
    return logits
  }

  /// A toy constraint: begins with the tokens of a text, then anything but one token, complete after six.
  private final class Constraint: LogitsProcessor {
    private let text: [Int32]
    private var accepted = 0

    init(_ text: [Int32]) { self.text = text }

    var isComplete: Bool { accepted == 6 }
    var forced: [Int32] { Array(text.dropFirst(accepted)) }
    func accept(_ id: Int32) { accepted += 1 }
    func process(_ logits: UnsafeMutableBufferPointer<Float>) {
      for i in logits.indices where accepted < text.count && i != Int(text[accepted]) { logits[i] = -.infinity }
      logits[260] = -.infinity
    }
  }

  /// Plays the decoder: every pass computes the scores of its rows.
  private func answer(_ pipeline: GenerationPipeline, _ model: Model) -> (result: GenerateResult, passes: Int) {
    var decoding = Decoding(pipeline, model.system.tokenizer)
    var sequence: [Int32] = []  // what the cache would hold
    var rows = [Self.logits(after: [])]
    var passes = 0
    while !decoding.isFull {
      let step = rows[decoding.row].withUnsafeMutableBufferPointer { decoding.choose($0) }
      if step == .ended { break }
      guard case .pass(let id) = step else { continue }
      sequence.removeLast(decoding.rejectedDrafts)
      decoding.closePass()
      let drafted = decoding.draft(room: 100 - sequence.count)
      rows = []
      for token in [id] + drafted {
        sequence.append(token)
        rows.append(Self.logits(after: sequence))
      }
      decoding.passed(drafted)
      passes += 1
    }
    return (decoding.finish { _, _ in true }, passes)
  }

  private func greedy() -> Sampler { Sampler(GenerateOptions(), KernelTable.best(), scratch: .init(start: nil, count: 0)) }

  @Test func draftsSavePassesAndChangeNothing() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    func pipeline(_ drafter: Drafter?) -> GenerationPipeline {
      GenerationPipeline(
        processors: [TokenPenalties(repetition: 1.01)], sampler: greedy(), rules: [LoopDetector(60)], drafter: drafter, maxTokens: 40)
    }
    let plain = answer(pipeline(nil), model)
    let drafted = answer(pipeline(PromptLookup(limit: 11, prompt: [])), model)
    #expect(drafted.result.ids == plain.result.ids && drafted.result.stopReason == plain.result.stopReason)
    #expect(drafted.result.acceptedTokens > 0 && drafted.passes < plain.passes)
  }

  @Test func aConstraintForcesBansAndEnds() throws {
    let tiny = try TinyModel()
    defer { tiny.delete() }
    let model = try Model.load(path: tiny.path, options: LoadOptions(threads: 1))
    for drafter in [nil, PromptLookup(limit: 11, prompt: [])] {
      let (result, passes) = answer(
        GenerationPipeline(processors: [Constraint([265, 266, 267])], sampler: greedy(), drafter: drafter, maxTokens: 40), model)
      #expect(result.ids.prefix(3) == [265, 266, 267] && result.ids.count == 6 && !result.ids.contains(260))
      #expect(result.stopReason == .endOfSequence)
      if drafter != nil { #expect(result.acceptedTokens >= 2 && passes < 6) }
    }
  }
}
