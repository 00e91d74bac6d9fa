// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Fovea
import Testing

struct SessionTests {
  @Test func theSameQuestionHasTheSameAnswer() throws {
    let model = try Loaded()
    let image = try model.image()
    let first = try model.session()
    let second = try model.session()
    defer {
      for session in [first, second] { fovea_session_free(session) }
      fovea_image_embedding_release(image)
    }
    let a = ids(first, "abc", [image], tokens: 16)
    #expect(a.status == FOVEA_OK, "\(lastError())")
    #expect(a.ids.count == 16)
    #expect(ids(first, "abc", [image], tokens: 16).ids == a.ids)
    #expect(fovea_session_reset(first) == FOVEA_OK)
    #expect(ids(first, "abc", [image], tokens: 16).ids == a.ids)
    #expect(ids(second, "abc", [image], tokens: 16).ids == a.ids)
    #expect(ids(second, "dab", [image], tokens: 16).ids != a.ids)
  }

  @Test func threadsDoNotChangeTheAnswer() throws {
    let one = try Loaded(threads: 1)
    let two = try Loaded(threads: 2)
    var answers: [[Int32]] = []
    for model in [one, two] {
      let image = try model.image()
      let session = try model.session()
      answers.append(ids(session, "abc", [image], tokens: 16).ids)
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    #expect(answers[0].count == 16 && answers[0] == answers[1])
  }

  @Test func theTokensTextsMakeUpTheAnswer() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    struct Seen { var text: [UInt8] = [], ids: [Int32] = [], terminated = true }
    var seen = Seen()
    var options = generateOptions(tokens: 24)
    var answer: UnsafeMutablePointer<CChar>?
    var result = fovea_generate_result()
    result.struct_size = MemoryLayout<fovea_generate_result>.size
    let status = withUnsafeMutablePointer(to: &seen) { seen in
      options.on_token_user = UnsafeMutableRawPointer(seen)
      options.on_token = { user, id, text, length in
        let seen = user!.assumingMemoryBound(to: Seen.self)
        seen.pointee.ids.append(id)
        seen.pointee.text += UnsafeRawBufferPointer(start: text, count: length)
        if text![length] != 0 { seen.pointee.terminated = false }
        return 0
      }
      return fovea_generate(session, "abc", nil, 0, &options, &result, &answer)
    }
    #expect(status == FOVEA_OK, "\(lastError())")
    let text = try #require(answer)
    #expect(seen.text == Array(UnsafeRawBufferPointer(start: text, count: result.text_length)))
    #expect(text[result.text_length] == 0)
    #expect(seen.terminated)
    #expect(result.stop_reason == Int32(FOVEA_STOP_LENGTH) && result.generated_tokens == 24)
    #expect(result.prompt_tokens > 0 && result.prefill_seconds > 0 && result.decode_seconds > 0)
    #expect(Array(seen.ids.prefix(24)) == ids(session, "abc", tokens: 24).ids)
    fovea_string_free(text)
  }

  @Test func theCallbackEndsTheAnswer() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    var options = generateOptions(tokens: 24)
    options.on_token = { _, _, _, _ in 1 }
    var result = fovea_generate_result()
    result.struct_size = MemoryLayout<fovea_generate_result>.size
    #expect(fovea_generate(session, "abc", nil, 0, &options, &result, nil) == FOVEA_OK)
    #expect(result.stop_reason == Int32(FOVEA_STOP_CALLBACK) && result.generated_tokens == 1)
  }

  @Test func aStopTextEndsTheAnswerBeforeItself() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    func answer(stop: String?) throws -> (String, Int32) {
      var options = generateOptions(tokens: 40)
      var result = fovea_generate_result()
      result.struct_size = MemoryLayout<fovea_generate_result>.size
      var text: UnsafeMutablePointer<CChar>?
      let copy = stop.map { strdup($0) }
      defer {
        fovea_string_free(text)
        free(copy ?? nil)
      }
      var stops: [UnsafePointer<CChar>?] = [copy.map { UnsafePointer($0!) }]
      let status = stops.withUnsafeMutableBufferPointer { stops in
        options.stop_texts = UnsafePointer(stops.baseAddress)
        options.stop_text_count = stop == nil ? 0 : 1
        return fovea_generate(session, "abc", nil, 0, &options, &result, &text)
      }
      try #require(status == FOVEA_OK, "\(lastError())")
      return (String(cString: try #require(text)), result.stop_reason)
    }
    let whole = try answer(stop: nil).0
    // A character from the middle that random weights happen to make.
    let characters = Array(whole)
    try #require(characters.count > 4)
    let stop = String(characters[characters.count / 2])
    let cut = try answer(stop: stop)
    #expect(cut.1 == Int32(FOVEA_STOP_TEXT))
    #expect(!cut.0.contains(stop) && whole.hasPrefix(cut.0 + stop))
  }

  @Test func aSeedDecidesRandomChoices() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    func sample(_ seed: UInt64) -> [Int32] {
      ids(session, "abc", tokens: 24) {
        $0.temperature = 1.5
        $0.seed = seed
      }.ids
    }
    #expect(sample(1) == sample(1))
    #expect(sample(1) != sample(2))
    // The likeliest token alone is left in each of these.
    let greedy = ids(session, "abc", tokens: 24).ids
    #expect(
      ids(session, "abc", tokens: 24) {
        $0.temperature = 1; $0.top_k = 1
      }.ids == greedy)
    #expect(
      ids(session, "abc", tokens: 24) {
        $0.temperature = 1; $0.top_p = 1e-6
      }.ids == greedy)
  }

  @Test func idsStopAtTheirCapacity() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    var options = generateOptions(tokens: 50)
    var few = [Int32](repeating: -1, count: 8)
    var count = 0
    #expect(fovea_generate_ids(session, "abc", nil, 0, &options, nil, &few, 3, &count) == FOVEA_OK)
    #expect(count == 3 && few[3] == -1 && few[0] >= 0)
    #expect(fovea_generate_ids(session, "abc", nil, 0, &options, nil, nil, 0, &count) == FOVEA_OK)
    #expect(count == 0)
  }

  @Test func theContextIsTheLimit() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    var options = generateOptions(tokens: 0)
    var result = fovea_generate_result()
    result.struct_size = MemoryLayout<fovea_generate_result>.size
    #expect(fovea_generate(session, "abc", nil, 0, &options, &result, nil) == FOVEA_OK)
    #expect(result.stop_reason == Int32(FOVEA_STOP_CONTEXT))
    #expect(Int(result.prompt_tokens + result.generated_tokens) >= TinyModel.context)

    let long = String(repeating: "abcd", count: 100)
    #expect(fovea_generate(session, long, nil, 0, &options, nil, nil) == FOVEA_ERROR_CONTEXT)
    #expect(lastError(session) == lastError() && lastError().contains("\(TinyModel.context)"))

    var create = fovea_session_options()
    create.struct_size = MemoryLayout<fovea_session_options>.size
    create.context_length = 40
    var small: OpaquePointer?
    #expect(fovea_session_create(model.handle, &create, &small) == FOVEA_OK)
    defer { fovea_session_free(small) }
    #expect(fovea_generate(small, "abc", nil, 0, &options, &result, nil) == FOVEA_OK)
    #expect(result.prompt_tokens + result.generated_tokens < 45)
  }

  @Test func rawPromptsTakeOneImageForEachMark() throws {
    let model = try Loaded()
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    for (prompt, images) in [("<image> a", 0), ("a", 1), ("<image><image> a", 1), ("<image> a", 2)] {
      let status = ids(session, prompt, [OpaquePointer?](repeating: image, count: images)) { $0.raw = 1 }.status
      #expect(status == FOVEA_ERROR_ARGUMENT, "\(prompt) with \(images)")
      #expect(lastError().contains("<image>"))
    }
    #expect(ids(session, "a <image> b <image>", [image, image]) { $0.raw = 1 }.status == FOVEA_OK)
  }

  @Test func anImageOfAnotherModelIsRefused() throws {
    let model = try Loaded()
    let other = try Loaded(seed: 2)
    let image = try other.image()
    let session = try model.session()
    #expect(ids(session, "abc", [image]).status == FOVEA_ERROR_ARGUMENT)
    #expect(lastError() == "images[0]: was encoded by another model.")
    fovea_session_free(session)
    fovea_image_embedding_release(image)
  }

  @Test func logitsChooseTheGreedyToken() throws {
    let model = try Loaded()
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    var logits: UnsafePointer<Float>?
    var (rows, columns) = (0, 0)
    var options = generateOptions()
    options.raw = 1
    let images: [OpaquePointer?] = [image]
    #expect(fovea_logits(session, "<image>ab", images, 1, &options, &logits, &rows, &columns) == FOVEA_OK, "\(lastError())")
    #expect(columns == TinyModel.vocabulary)
    var count = 0
    #expect(fovea_tokenize(model.handle, "ab", 2, nil, 0, &count) == FOVEA_OK)
    #expect(rows == 1 + 4 + count)  // beginning of sequence, image, text
    let last = UnsafeBufferPointer(start: logits, count: rows * columns).suffix(columns)
    let areFinite = last.allSatisfy { $0.isFinite }
    #expect(areFinite)
    let likeliest = last.enumerated().max { $0.element < $1.element }?.offset
    #expect(ids(session, "<image>ab", images, tokens: 1) { $0.raw = 1 }.ids == [Int32(try #require(likeliest))])
  }

  @Test func aDeadlineEndsTheWork() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    #expect(ids(session, "abc") { $0.deadline_seconds = 1e-9 }.status == FOVEA_ERROR_DEADLINE)
    #expect(ids(session, "abc") { $0.deadline_seconds = 1e6 }.status == FOVEA_OK)
  }

  @Test func aCancelledSessionWorksAgain() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    let expected = ids(session, "abc", tokens: 16).ids
    var options = generateOptions(tokens: 60)
    options.on_token_user = UnsafeMutableRawPointer(session)
    options.on_token = { user, _, _, _ in
      fovea_session_cancel(OpaquePointer(user!))
      return 0
    }
    #expect(fovea_generate(session, "abc", nil, 0, &options, nil, nil) == FOVEA_ERROR_CANCELLED)
    #expect(!lastError(session).isEmpty)
    // Without a call in progress it does nothing.
    fovea_session_cancel(session)
    #expect(ids(session, "abc", tokens: 16).ids == expected)
  }

  /// Also while a call still copies its arguments.
  @Test func aCallIsCancelledFromItsFirstMomentOn() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        // Busy says that the call has begun.
        var answer = fovea_answer()
        answer.struct_size = MemoryLayout<fovea_answer>.size
        for _ in 0..<100_000_000 where fovea_session_get_answer(OpaquePointer(argument!), 0, &answer) == FOVEA_ERROR_BUSY { break }
        fovea_session_cancel(OpaquePointer(argument!))
        return nil
      }, UnsafeMutableRawPointer(session))
    let text = strdup("ab")
    defer { free(text) }
    let texts = [UnsafePointer<CChar>?](repeating: UnsafePointer(text), count: 3_000_000)
    let status = texts.withUnsafeBufferPointer { texts in
      ids(session, "abc") { ($0.stop_texts, $0.stop_text_count) = (texts.baseAddress, texts.count) }.status
    }
    pthread_join(thread, nil)
    #expect(status == FOVEA_ERROR_CANCELLED)
  }

  /// Nothing of the answer before it, whichever argument was wrong.
  @Test func aFailedCallLeavesNothing() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    var options = generateOptions(tokens: 4)
    options.logprobs = 1
    var result = fovea_generate_result()
    result.struct_size = MemoryLayout<fovea_generate_result>.size
    func ask() { #expect(fovea_generate(session, "abc", nil, 0, &options, &result, nil) == FOVEA_OK && result.generated_tokens == 4) }
    func isEmpty() -> Bool {
      var count = 1
      return fovea_session_answer_count(session) == 0 && fovea_session_log_probabilities(session, nil, 0, &count) == FOVEA_OK && count == 0
    }
    func isRefused(_ status: fovea_status) {
      #expect(status == FOVEA_ERROR_ARGUMENT && isEmpty())
      #expect(result.generated_tokens == 0 && result.prompt_tokens == 0 && result.text_length == 0)
    }
    ask()
    options.top_p = 2
    isRefused(fovea_generate(session, "abc", nil, 0, &options, &result, nil))
    options.top_p = 0
    ask()
    isRefused(fovea_generate_ids(session, "abc", nil, 0, &options, &result, nil, 0, nil))
    ask()
    result.struct_size = 1
    #expect(fovea_generate(session, "abc", nil, 0, &options, &result, nil) == FOVEA_ERROR_ARGUMENT && isEmpty())
    #expect(lastError(session).contains("result"))
    var scores = [1.0, 1]
    #expect(fovea_score(session, "abc", nil, 0, nil, [nil, nil], 2, &scores) == FOVEA_ERROR_ARGUMENT && scores == [0, 0])
  }

  /// A failed call on a session says why there, too.
  @Test func whatIsMissingIsTheSessionsErrorToo() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    let calls: [(String, () -> fovea_status)] = [
      ("size", { fovea_session_save(session, nil, 0, nil) }), ("path", { fovea_session_save_file(session, nil) }),
      ("place", { fovea_session_get_place(session, 0, nil) }), ("answer", { fovea_session_get_answer(session, 0, nil) }),
      ("count", { fovea_session_log_probabilities(session, nil, 0, nil) }), ("out", { fovea_session_fork(session, nil) }),
    ]
    for (name, call) in calls {
      #expect(call() == FOVEA_ERROR_ARGUMENT)
      #expect(lastError(session).hasPrefix(name), "\(lastError(session))")
    }
  }

  @Test func aSecondCallAtTheSameMomentIsBusy() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    var statuses: [fovea_status] = []
    withUnsafeMutablePointer(to: &statuses) { statuses in
      struct State { let session: OpaquePointer, statuses: UnsafeMutablePointer<[fovea_status]> }
      var state = State(session: session, statuses: statuses)
      var options = generateOptions(tokens: 2)
      withUnsafeMutablePointer(to: &state) { state in
        options.on_token_user = UnsafeMutableRawPointer(state)
        options.on_token = { user, _, _, _ in
          // From within a call the session is as busy as from another thread.
          let state = user!.assumingMemoryBound(to: State.self).pointee
          var logits: UnsafePointer<Float>?
          var (rows, columns) = (0, 0)
          state.statuses.pointee += [
            fovea_generate(state.session, "a", nil, 0, nil, nil, nil), fovea_session_reset(state.session),
            fovea_logits(state.session, "a", nil, 0, nil, &logits, &rows, &columns),
            fovea_session_log_probabilities(state.session, nil, 0, &rows),
          ]
          return 0
        }
        #expect(fovea_generate(session, "abc", nil, 0, &options, nil, nil) == FOVEA_OK)
      }
    }
    #expect(statuses.count >= 8 && statuses.allSatisfy { $0 == FOVEA_ERROR_BUSY })
    #expect(lastError().contains("session"))
    #expect(lastError(session) == "")
  }

  /// Getters read what a call on another thread replaces: a crash within a second.
  @Test func gettersOnAnotherThreadAreBusyOrWhole() throws {
    let model = try Loaded(coordinates: "ferret")
    let image = try model.image()
    let session = try model.session()
    defer {
      fovea_session_free(session)
      fovea_image_embedding_release(image)
    }
    let reader = Reader(session)
    reader.start()
    for i in 0..<60 {
      let answer = ids(session, "<image>ab", [image], tokens: 24) { ($0.raw, $0.seed, $0.temperature) = (1, UInt64(i), 1) }
      #expect(answer.status == FOVEA_OK || answer.status == FOVEA_ERROR_BUSY)
      var logits: UnsafePointer<Float>?
      var (rows, columns) = (0, 0)
      _ = fovea_logits(session, "abc", nil, 0, nil, &logits, &rows, &columns)
    }
    #expect(reader.finish() > 0)
  }

  private final class Reader: @unchecked Sendable {
    private let session: OpaquePointer
    private let begun = DispatchSemaphore(value: 0)
    private let done = DispatchSemaphore(value: 0)
    private let lock = NSLock()
    private var isStopped = false
    private var reads = 0

    init(_ session: OpaquePointer) { self.session = session }

    /// Returns when the thread runs.
    func start() {
      Thread { [self] in
        begun.signal()
        while lock.withLock({ !isStopped }) {
          var place = fovea_place()
          place.struct_size = MemoryLayout<fovea_place>.size
          for i in 0..<fovea_session_place_count(session) { _ = fovea_session_get_place(session, i, &place) }
          var values = [Float](repeating: 0, count: 64)
          var count = 0
          let status = fovea_session_log_probabilities(session, &values, 64, &count)
          if status == FOVEA_OK || status == FOVEA_ERROR_BUSY { reads += 1 }
          _ = String(cString: fovea_last_error(session))
        }
        done.signal()
      }.start()
      begun.wait()
    }

    func finish() -> Int {
      lock.withLock { isStopped = true }
      done.wait()
      return reads
    }
  }

  /// `loop_tokens` of 2³¹ took 4 GB and ran past the deadline.
  @Test func numbersOfTokensAreCappedByTheContext() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    let plain = ids(session, "abcab").ids
    let changes: [(inout fovea_generate_options) -> Void] = [
      { $0.loop_tokens = .max }, { $0.ngram_ban = .max }, { $0.ngram_window = .max }, { $0.min_tokens = .max }, { $0.draft_tokens = .max },
      { $0.top_k = .max },
    ]
    for (i, change) in changes.enumerated() { #expect(ids(session, "abcab", [], tokens: 8, change).ids == plain, "option \(i)") }
  }

  /// Tokenising 4 MB took 7 s whatever the deadline; what cannot fit the context is refused as soon as that is known.
  @Test func aLongPromptIsRefusedOrStoppedSoon() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    for prompt in [String(repeating: "abcd ", count: 800_000), String(repeating: "é", count: 2_000_000)] {
      for seconds in [0.01, 0] {
        let start = Date()
        let status = ids(session, prompt) { $0.deadline_seconds = seconds }.status
        #expect(status == FOVEA_ERROR_DEADLINE || status == FOVEA_ERROR_CONTEXT)
        if seconds > 0 { #expect(Date().timeIntervalSince(start) < 0.5) }  // 50 ms and what a busy machine adds
      }
    }
  }

  @Test func logitsKeepToDeadlineAndProgress() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    var logits: UnsafePointer<Float>?
    var (rows, columns) = (0, 0)
    var options = generateOptions()
    options.deadline_seconds = 1e-9
    #expect(fovea_logits(session, "abc", nil, 0, &options, &logits, &rows, &columns) == FOVEA_ERROR_DEADLINE)
    #expect(logits == nil && rows == 0)
    options.deadline_seconds = 0
    options.progress = { _, _, _ in 1 }
    #expect(fovea_logits(session, "abc", nil, 0, &options, &logits, &rows, &columns) == FOVEA_ERROR_CANCELLED)
  }

  @Test func sessionsOfOneModelWorkAtOnce() throws {
    let model = try Loaded(threads: 2)
    let image = try model.image()
    defer { fovea_image_embedding_release(image) }
    let alone = try model.session()
    let expected = ids(alone, "abc", [image], tokens: 24).ids
    fovea_session_free(alone)
    let shared = Shared(model: model.handle, image: image, expected: expected)
    var threads: [Thread] = []
    for _ in 0..<4 {
      let thread = Thread { shared.work() }
      thread.start()
      threads.append(thread)
    }
    for _ in threads { shared.done.wait() }
    #expect(shared.wrong == 0)
  }

  private final class Shared: @unchecked Sendable {
    let model, image: OpaquePointer
    let expected: [Int32]
    let done = DispatchSemaphore(value: 0)
    private let lock = NSLock()
    private(set) var wrong = 0

    init(model: OpaquePointer, image: OpaquePointer, expected: [Int32]) {
      self.model = model
      self.image = image
      self.expected = expected
    }

    func work() {
      var session: OpaquePointer?
      var isWrong = fovea_session_create(model, nil, &session) != FOVEA_OK
      if let session, ids(session, "abc", [image], tokens: 24).ids != expected { isWrong = true }
      fovea_session_free(session)
      lock.withLock { wrong += isWrong ? 1 : 0 }
      done.signal()
    }
  }
}
