// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Fovea
import Testing

/// Options of choosing a token, through the C interface.
struct SamplingTests {
  private func kept(_ session: OpaquePointer, _ index: Int = 0) throws -> fovea_answer {
    var answer = fovea_answer()
    answer.struct_size = MemoryLayout<fovea_answer>.size
    try #require(fovea_session_get_answer(session, index, &answer) == FOVEA_OK, "\(lastError())")
    return answer
  }

  private func made(by answer: fovea_answer) -> [Int32] { Array(UnsafeBufferPointer(start: answer.ids, count: answer.id_count)) }

  @Test func severalAnswersReadThePromptOnce() throws {
    let model = try Loaded()
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    #expect(fovea_session_answer_count(session) == 0)
    let change = { (o: inout fovea_generate_options) in (o.temperature, o.seed) = (2, 7) }
    let expected = (0..<4).map { seed in
      ids(session, "abc", [image], tokens: 9) {
        change(&$0); $0.seed += UInt64(seed)
      }.ids
    }
    #expect(Set(expected).count > 2)
    #expect(fovea_session_reset(session) == FOVEA_OK)
    let first = ids(session, "abc", [image], tokens: 9) {
      change(&$0); $0.answers = 4
    }
    #expect(first.status == FOVEA_OK && first.ids == expected[0])
    #expect(fovea_session_answer_count(session) == 4)
    for i in 0..<4 {
      let answer = try kept(session, i)
      #expect(made(by: answer) == expected[i] && answer.stop_reason == Int32(FOVEA_STOP_LENGTH))
      #expect(strlen(answer.text) <= answer.text_length && answer.log_probabilities == nil)
    }
    var out = fovea_answer()
    out.struct_size = MemoryLayout<fovea_answer>.size
    #expect(fovea_session_get_answer(session, 4, &out) == FOVEA_ERROR_ARGUMENT && lastError().contains("4 answers"))
    #expect(ids(session, "abc", tokens: 2) { $0.answers = -1 }.status == FOVEA_ERROR_ARGUMENT)
    #expect(fovea_session_answer_count(session) == 0)
  }

  @Test func logProbabilitiesAreThoseOfTheLogits() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    #expect(ids(session, "<image>".replacingOccurrences(of: "<image>", with: "ab"), tokens: 5) { ($0.raw, $0.logprobs) = (1, 3) }.status == FOVEA_OK)
    let answer = try kept(session)
    #expect(answer.top_count == 3 && answer.id_count == 5)
    let top = Array(UnsafeBufferPointer(start: answer.top_ids, count: 15))
    let values = Array(UnsafeBufferPointer(start: answer.top_log_probabilities, count: 15))
    let own = Array(UnsafeBufferPointer(start: answer.log_probabilities, count: 5))
    for i in 0..<5 {
      // Greedy: each token is the likeliest.
      #expect(top[3 * i] == made(by: answer)[i] && values[3 * i] == own[i])
      #expect(values[3 * i] >= values[3 * i + 1] && values[3 * i + 1] >= values[3 * i + 2])
    }
    var options = generateOptions()
    options.raw = 1
    var logits: UnsafePointer<Float>?
    var (positions, vocabulary) = (0, 0)
    try #require(fovea_logits(session, "ab", nil, 0, &options, &logits, &positions, &vocabulary) == FOVEA_OK)
    let last = Array(UnsafeBufferPointer(start: try #require(logits) + (positions - 1) * vocabulary, count: vocabulary)).map { Double($0) }
    let total = log(last.reduce(0) { $0 + exp($1) })
    let order = last.indices.sorted { last[$0] > last[$1] }
    for k in 0..<3 {
      #expect(Int(top[k]) == order[k])
      #expect(abs(Double(values[k]) - (last[order[k]] - total)) < 1e-4)
    }
    var count = 0
    #expect(ids(session, "ab", tokens: 5) { $0.logprobs = 1 }.status == FOVEA_OK)
    #expect(fovea_session_log_probabilities(session, nil, 0, &count) == FOVEA_OK && count == 5)
  }

  @Test func tokensAreAllowedForbiddenAndBiased() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    let allowed: [Int32] = [100, 101, 264]
    var found = allowed.withUnsafeBufferPointer { list in
      ids(session, "ab", tokens: 20) { ($0.allowed_tokens, $0.allowed_token_count, $0.temperature) = (list.baseAddress, list.count, 5) }
    }
    #expect(found.status == FOVEA_OK && found.ids.count == 20 && Set(found.ids).isSubset(of: Set(allowed + [2])) && Set(found.ids).count > 1)
    let plain = ids(session, "ab", tokens: 1).ids
    found = plain.withUnsafeBufferPointer { list in
      ids(session, "ab", tokens: 20) { ($0.forbidden_tokens, $0.forbidden_token_count) = (list.baseAddress, 1) }
    }
    #expect(found.status == FOVEA_OK && !found.ids.contains(plain[0]))
    let biases = [fovea_logit_bias(id: 77, bias: 1000)]
    found = biases.withUnsafeBufferPointer { list in ids(session, "ab", tokens: 3) { ($0.logit_biases, $0.logit_bias_count) = (list.baseAddress, 1) }
    }
    #expect(found.ids == [77, 77, 77])
    found = biases.withUnsafeBufferPointer { list in
      ids(session, "ab", tokens: 3) { ($0.logit_biases, $0.logit_bias_count, $0.presence_penalty) = (list.baseAddress, 1, 2000) }
    }
    #expect(found.ids.first == 77 && found.ids.dropFirst().allSatisfy { $0 != 77 })
    let end: [Int32] = [77]
    biases.withUnsafeBufferPointer { list in
      end.withUnsafeBufferPointer { stop in
        let found = ids(session, "ab", tokens: 3) {
          ($0.logit_biases, $0.logit_bias_count, $0.stop_ids, $0.stop_id_count) = (list.baseAddress, 1, stop.baseAddress, 1)
        }
        #expect(found.status == FOVEA_OK && found.ids.isEmpty)
      }
    }
    #expect((try? kept(session))?.stop_reason == Int32(FOVEA_STOP_TEXT))
  }

  @Test func anAnswerEndsWhereEveryTokenIsForbidden() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    var info = fovea_model_info()
    info.struct_size = MemoryLayout<fovea_model_info>.size
    #expect(fovea_model_get_info(model.handle, &info) == FOVEA_OK)
    let all = Array(0..<info.vocab_size)
    all.withUnsafeBufferPointer { list in
      for temperature: Float in [0, 1] {
        let none = ids(session, "ab") {
          ($0.forbidden_tokens, $0.forbidden_token_count, $0.temperature) = (list.baseAddress, list.count, temperature)
        }
        #expect(none.status == FOVEA_OK && none.ids.isEmpty)
        // The only allowed token is forbidden.
        let neither = ids(session, "ab") {
          ($0.allowed_tokens, $0.allowed_token_count, $0.temperature) = (list.baseAddress, 1, temperature)
          ($0.forbidden_tokens, $0.forbidden_token_count) = (list.baseAddress, list.count)
        }
        #expect(neither.status == FOVEA_OK && neither.ids.isEmpty)
      }
    }
  }

  @Test func theEchoIsThePrompt() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    #expect(ids(session, "ab", tokens: 3) { $0.echo = 1 }.status == FOVEA_OK)
    let text = String(cString: try kept(session).text)
    #expect(text.hasPrefix("S. USER: ab ASSISTANT:"))
  }

  @Test func nonsenseIsNamed() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    let list: [Int32] = [5, 270]
    list.withUnsafeBufferPointer { list in
      let wrong: [(String, (inout fovea_generate_options) -> Void)] = [
        ("min_p", { $0.min_p = 1.5 }), ("min_p", { $0.min_p = -1 }), ("typical_p", { $0.typical_p = 2 }), ("typical_p", { $0.typical_p = .nan }),
        ("frequency_penalty", { $0.frequency_penalty = .infinity }), ("presence_penalty", { $0.presence_penalty = .nan }),
        ("penalty_last_n", { $0.penalty_last_n = -2 }), ("logprobs", { $0.logprobs = -1 }), ("answers", { $0.answers = 2000 }),
        ("alternatives", { $0.alternatives = 1 }), ("alternatives", { ($0.alternatives, $0.answers) = (1, 2) }), ("reserved2", { $0.reserved2 = 1 }),
        ("allowed_tokens[1]", { ($0.allowed_tokens, $0.allowed_token_count) = (list.baseAddress, 2) }),
        ("forbidden_tokens[1]", { ($0.forbidden_tokens, $0.forbidden_token_count) = (list.baseAddress, 2) }),
        ("stop_ids[1]", { ($0.stop_ids, $0.stop_id_count) = (list.baseAddress, 2) }), ("stop_ids", { $0.stop_id_count = 2 }),
      ]
      for (name, change) in wrong {
        #expect(ids(session, "a", tokens: 1, change).status == FOVEA_ERROR_ARGUMENT, "\(name)")
        #expect(lastError().contains(name), "\(lastError())")
      }
    }
    let bias = [fovea_logit_bias(id: 1, bias: .nan)]
    bias.withUnsafeBufferPointer { list in
      #expect(ids(session, "a", tokens: 1) { ($0.logit_biases, $0.logit_bias_count) = (list.baseAddress, 1) }.status == FOVEA_ERROR_ARGUMENT)
    }
  }
}
