// SPDX-License-Identifier: Apache-2.0
import Families
import Tokenizers

/// The state of one answer, without a decoder: the caller passes a row of logits and is told which tokens to run through the decoder
/// next, so that several answers can share one pass.
package struct Decoding {
  /// What follows a token.
  package enum Step: Equatable {
    /// The answer is complete.
    case ended
    /// The token equals the next draft token: its logits are already there, in row `row`.
    case accepted
    /// The token, and drafts after it, must pass the decoder.
    case pass(Int32)
  }

  private let pipeline: GenerationPipeline
  private var text: StreamingDecoder
  package private(set) var result: GenerateResult
  /// Draft tokens of the last pass, of which the first `row` were accepted.
  private var drafts: [Int32] = []
  package private(set) var row = 0

  package init(_ pipeline: GenerationPipeline, _ tokenizer: Tokenizer, _ result: GenerateResult = GenerateResult()) {
    self.pipeline = pipeline
    self.result = result
    text = tokenizer.streamingDecoder()
  }

  /// Rejected or unused draft tokens at the end of the sequence, to be removed from the cache.
  package var rejectedDrafts: Int { drafts.count - row }

  /// Whether `maxTokens` is reached; at once when it is 0.
  package var isFull: Bool { result.ids.count >= pipeline.maxTokens }

  /// Chooses the next token.
  /// - Parameter logits: `[vocabSize]`, row `row` of the last pass; modified.
  package mutating func choose(_ logits: UnsafeMutableBufferPointer<Float>) -> Step {
    if pipeline.processors.contains(where: { $0.isComplete }) { return end(.endOfSequence) }
    pipeline.logProbabilities?.observe(logits)
    for processor in pipeline.processors { processor.process(logits) }
    if failure != nil { return end(.callback) }
    let id = pipeline.sampler.next(logits)
    // The likeliest token is banned: all are.
    if logits.indices.contains(Int(id)), logits[Int(id)] == -.infinity { return end(.endOfSequence) }
    for rule in pipeline.rules {
      if let reason = rule.endsBefore(id) { return end(reason) }
    }
    accept(id)
    let piece = pipeline.stops.append(text.append(id))
    for rule in pipeline.rules {
      if let reason = rule.endsAfter(id, piece) { return end(reason) }
    }
    if failure != nil { return end(.callback) }
    if pipeline.processors.contains(where: { $0.isComplete }) { return end(.endOfSequence) }
    if isFull { return end(.maxTokens) }
    guard row < drafts.count, drafts[row] == id else { return .pass(id) }
    row += 1
    result.acceptedTokens += 1
    return .accepted
  }

  /// Why the answer cannot go on.
  package var failure: FoveaError? {
    for processor in pipeline.processors { if let failure = processor.failure { return failure } }
    return nil
  }

  private mutating func accept(_ id: Int32) {
    result.ids.append(id)
    pipeline.logProbabilities?.append(id)
    pipeline.drafter?.accept(id)
    for processor in pipeline.processors { processor.accept(id) }
  }

  @discardableResult
  package mutating func end(_ reason: StopReason) -> Step {
    result.stopReason = reason
    return .ended
  }

  /// Closes the last pass, after its rejected drafts were removed from the cache.
  package mutating func closePass() {
    pipeline.drafter?.record(drafted: drafts.count, accepted: row)
    (drafts, row) = ([], 0)
  }

  /// Draft tokens to pass after the newest token: those that a constraint forces, else the drafter's.
  /// - Parameter room: positions left after the newest token.
  package func draft(room: Int) -> [Int32] {
    guard let drafter = pipeline.drafter else { return [] }
    let room = min(room, pipeline.maxTokens - result.ids.count - 1)
    for processor in pipeline.processors where !processor.forced.isEmpty {
      return Array(processor.forced.prefix(max(min(room, drafter.largest), 0)))
    }
    return drafter.next(room: room)
  }

  /// Records the drafts that passed after the newest token.
  package mutating func passed(_ drafted: [Int32]) {
    drafts = drafted
    result.draftedTokens += drafted.count
  }

  /// The complete answer; passes the text still held back to `onToken`.
  package mutating func finish(onToken: (Int32, [UInt8]) -> Bool) -> GenerateResult {
    var rest: [UInt8] = []
    if !pipeline.stops.isFound { rest = pipeline.stops.append(text.finish()) + pipeline.stops.finish() }
    if !rest.isEmpty, let last = result.ids.last, result.stopReason != .callback { _ = onToken(last, rest) }
    result.text = pipeline.stops.text
    if let found = pipeline.logProbabilities {
      (result.logProbabilities, result.topIds, result.topLogProbabilities, result.top) = (found.values, found.topIds, found.topValues, found.top)
    }
    return result
  }
}
