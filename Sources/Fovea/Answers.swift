// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families
import Generation
import Shims

/// An answer in memory that the host may read.
final class KeptAnswer {
  let text: UnsafeMutablePointer<CChar>
  let textLength, count, top: Int
  let stopReason: Int32
  let score: Double
  let image: Int
  /// `[count]` or `[count, top]`; nil where they were not asked for.
  let ids: UnsafeMutablePointer<Int32>
  let logProbabilities, topLogProbabilities: UnsafeMutablePointer<Float>?
  let topIds: UnsafeMutablePointer<Int32>?
  private let memory: UnsafeMutableRawPointer

  init(_ answer: GenerateResult) throws(FoveaError) {
    (textLength, count, top) = (answer.text.count, answer.ids.count, answer.top)
    (stopReason, score, image) = (answer.stopReason.rawValue, answer.score, answer.image)
    let numbers = answer.ids.count + answer.logProbabilities.count + answer.topIds.count + answer.topLogProbabilities.count
    let bytes = 4 * numbers + answer.text.count + 1
    guard let memory = block_allocate(bytes) else { throw .outOfMemory("answer", bytes: bytes) }
    self.memory = memory
    var place = memory
    func put<Number>(_ values: [Number]) -> UnsafeMutablePointer<Number> {
      let start = place.assumingMemoryBound(to: Number.self)
      for (i, value) in values.enumerated() { start[i] = value }
      place += values.count * MemoryLayout<Number>.stride
      return start
    }
    ids = put(answer.ids)
    logProbabilities = answer.logProbabilities.isEmpty ? nil : put(answer.logProbabilities)
    topIds = answer.topIds.isEmpty ? nil : put(answer.topIds)
    topLogProbabilities = answer.topIds.isEmpty ? nil : put(answer.topLogProbabilities)
    text = place.assumingMemoryBound(to: CChar.self)
    copy(answer.text, to: text)
  }

  deinit { block_free(memory) }
}

@c @implementation
public func fovea_session_answer_count(_ session: OpaquePointer?) -> Int {
  guard let handle: SessionHandle = try? object(session, "session") else { return 0 }
  return (try? handle.session.exclusively(.look) { () throws(FoveaError) in handle.answers.count }) ?? 0
}

@c @implementation
public func fovea_session_get_answer(
  _ session: OpaquePointer?, _ index: Int, _ answer: UnsafeMutablePointer<fovea_answer>?
) -> fovea_status {
  status { () throws(FoveaError) in
    let handle: SessionHandle = try object(session, "session")
    let (out, kept) = try handle.exclusively(.look) { () throws(FoveaError) in
      let out = try required(answer, "answer")
      guard handle.answers.indices.contains(index) else {
        throw .argument("index", "is \(UInt(bitPattern: index)), the session's last call made \(handle.answers.count) answers.")
      }
      return (out, handle.answers[index])
    }
    var c = fovea_answer()
    (c.text, c.text_length) = (UnsafePointer(kept.text), kept.textLength)
    (c.ids, c.id_count) = (UnsafePointer(kept.ids), kept.count)
    c.log_probabilities = UnsafePointer(kept.logProbabilities)
    c.top_ids = UnsafePointer(kept.topIds)
    c.top_log_probabilities = UnsafePointer(kept.topLogProbabilities)
    c.top_count = int32(kept.top)
    c.stop_reason = kept.stopReason
    c.score = kept.score
    c.image = int32(kept.image)
    try write(c, to: out, first: FirstSize.answer, "answer")
  }
}

/// Reads the sampling options other than temperature, top_k and top_p.
func readSampling(_ c: fovea_generate_options, into options: inout GenerateOptions, vocabulary: Int) throws(FoveaError) {
  options.repetitionPenalty = try number(c.repetition_penalty, zeroMeans: 1, "options.repetition_penalty")
  options.minP = try number(c.min_p, "options.min_p")
  guard options.minP <= 1 else { throw .argument("options.min_p", "is \(c.min_p), must not be above 1.") }
  options.typicalP = try number(c.typical_p, zeroMeans: 1, "options.typical_p")
  guard options.typicalP <= 1 else { throw .argument("options.typical_p", "is \(c.typical_p), must not be above 1.") }
  for (name, value) in [("frequency_penalty", c.frequency_penalty), ("presence_penalty", c.presence_penalty)] as [(StaticString, Float)] {
    guard value.isFinite else { throw .argument("options.\(name)", "is \(value), must be a finite number.") }
  }
  (options.frequencyPenalty, options.presencePenalty) = (c.frequency_penalty, c.presence_penalty)
  guard c.penalty_last_n >= -1 else { throw .argument("options.penalty_last_n", "is \(c.penalty_last_n), must be -1, 0 or above.") }
  options.penaltyWindow = c.penalty_last_n == 0 ? .answer : c.penalty_last_n < 0 ? .promptAndAnswer : .last(Int(c.penalty_last_n))
  options.topLogProbabilities = min(try count(c.logprobs, "options.logprobs"), vocabulary)
  let answers = try count(c.answers, "options.answers")
  guard answers <= 1024 else { throw .argument("options.answers", "is \(answers), must not be above 1024.") }
  options.answers = max(answers, 1)
  options.echoes = c.echo != 0
  let beams = try count(c.beams, "options.beams")
  guard beams <= 64 else { throw .argument("options.beams", "is \(beams), must not be above 64.") }
  options.beams = max(beams, 1)
  options.alternatives = c.alternatives != 0
  guard c.length_penalty.isFinite else { throw .argument("options.length_penalty", "is \(c.length_penalty), must be a finite number.") }
  options.lengthPenalty = c.length_penalty == 0 ? 1 : c.length_penalty
  for (i, bias) in try buffer(c.logit_biases, count: c.logit_bias_count, most: vocabulary, "options.logit_biases").enumerated() {
    let id = try token(bias.id, "options.logit_biases[\(i)].id", vocabulary)
    guard bias.bias < .infinity else { throw .argument("options.logit_biases[\(i)].bias", "is \(bias.bias), must be a finite number or -INFINITY.") }
    options.logitBias.append((id, bias.bias))
  }
  for id in try tokens(c.forbidden_tokens, c.forbidden_token_count, "options.forbidden_tokens", vocabulary) {
    options.logitBias.append((id, -.infinity))
  }
  options.allowedIds = try tokens(c.allowed_tokens, c.allowed_token_count, "options.allowed_tokens", vocabulary)
  options.stopIds = try tokens(c.stop_ids, c.stop_id_count, "options.stop_ids", vocabulary)
}

private func tokens(_ ids: UnsafePointer<Int32>?, _ count: Int, _ name: StaticString, _ vocabulary: Int) throws(FoveaError) -> [Int32] {
  var found = try list(of: Int32.self, count: min(count, vocabulary))
  for (i, id) in try buffer(ids, count: count, most: vocabulary, name).enumerated() { found.append(try token(id, "\(name)[\(i)]", vocabulary)) }
  return found
}

private func token(_ id: Int32, _ name: @autoclosure () -> String, _ vocabulary: Int) throws(FoveaError) -> Int32 {
  guard id >= 0, Int(id) < vocabulary else { throw .argument(name(), "\(id) is outside the vocabulary of \(vocabulary).") }
  return id
}
