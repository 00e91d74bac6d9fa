// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation
import Testing

/// Many requests through the C interface.
struct BatchTests {
  /// Requests with texts and options that live as long as this.
  private final class Requests {
    var list: [fovea_request] = []
    private var freed: [UnsafeMutableRawPointer] = []

    func add(_ session: OpaquePointer?, _ prompt: String, tokens: Int32 = 8, _ change: (inout fovea_generate_options) -> Void = { _ in }) {
      var request = fovea_request()
      request.struct_size = MemoryLayout<fovea_request>.size
      request.session = session
      let text = strdup(prompt)
      if let text { freed.append(text) }
      request.prompt = UnsafePointer(text)
      let options = UnsafeMutablePointer<fovea_generate_options>.allocate(capacity: 1)
      options.initialize(to: generateOptions(tokens: tokens))
      options.pointee.ignore_eos = 1
      change(&options.pointee)
      freed.append(options)
      request.options = UnsafePointer(options)
      list.append(request)
    }

    func run() -> fovea_status { fovea_batch(&list, list.count) }

    var texts: [String?] { list.map { $0.text.map { String(cString: $0) } } }

    deinit {
      for request in list { fovea_string_free(request.text) }
      for pointer in freed { free(pointer) }
    }
  }

  private func alone(_ model: Loaded, _ prompt: String) throws -> String? {
    let session = try model.session()
    defer { fovea_session_free(session) }
    let requests = Requests()
    requests.add(session, prompt)
    #expect(requests.run() == FOVEA_OK)
    return requests.texts.first ?? nil
  }

  @Test func answersAreThoseOfCallsOfTheirOwn() throws {
    let model = try Loaded()
    let prompts = ["one", "two and more", "three", "four", "one"]
    let expected = try prompts.map { try alone(model, $0) }
    let sessions = try (0..<3).map { _ in try model.session() }
    defer { for session in sessions { fovea_session_free(session) } }
    let requests = Requests()
    for (i, prompt) in prompts.enumerated() { requests.add(sessions[i % 3], prompt) }
    #expect(requests.run() == FOVEA_OK)
    #expect(requests.texts == expected)
    #expect(requests.list.allSatisfy { $0.status == FOVEA_OK })
  }

  @Test func eachHasItsOwnFailure() throws {
    let model = try Loaded()
    let (one, two) = (try model.session(), try model.session())
    defer { for session in [one, two] { fovea_session_free(session) } }
    let requests = Requests()
    requests.add(one, "fine")
    requests.add(two, "wrong") { $0.top_p = 2 }
    requests.add(two, "fine again")
    #expect(requests.run() == FOVEA_ERROR_ARGUMENT)
    #expect(String(cString: fovea_last_error(nil)).contains("top_p"))
    #expect(requests.list.map { $0.status } == [FOVEA_OK, FOVEA_ERROR_ARGUMENT, FOVEA_OK].map { fovea_status($0) })
    #expect(requests.list[1].text == nil && requests.list[2].text != nil)
  }

  @Test func callbacksComeOneAtATime() throws {
    let model = try Loaded()
    final class Counter { var inside = 0, most = 0, calls = 0 }
    let counter = Counter()
    let requests = Requests()
    let sessions = try (0..<4).map { _ in try model.session() }
    defer { for session in sessions { fovea_session_free(session) } }
    for (i, session) in sessions.enumerated() {
      requests.add(session, "prompt \(i)") {
        $0.on_token_user = Unmanaged.passUnretained(counter).toOpaque()
        $0.on_token = { user, _, _, _ in
          let counter = Unmanaged<Counter>.fromOpaque(user!).takeUnretainedValue()
          counter.inside += 1
          counter.most = max(counter.most, counter.inside)
          usleep(200)
          counter.calls += 1
          counter.inside -= 1
          return 0
        }
      }
    }
    #expect(requests.run() == FOVEA_OK)
    #expect(counter.most == 1 && counter.calls >= 4 * 8)
  }

  @Test func whatIsWrongIsNamed() throws {
    let model = try Loaded()
    let session = try model.session()
    defer { fovea_session_free(session) }
    func refused(_ words: String, _ change: (inout fovea_request) -> Void) {
      let requests = Requests()
      requests.add(session, "x")
      change(&requests.list[0])
      #expect(requests.run() == FOVEA_ERROR_ARGUMENT)
      #expect(String(cString: fovea_last_error(nil)).contains(words), "\(String(cString: fovea_last_error(nil)))")
      if requests.list[0].struct_size > 8 { #expect(requests.list.allSatisfy { $0.status == FOVEA_ERROR_ARGUMENT && $0.text == nil }) }
    }
    refused("requests[0].session") { $0.session = nil }
    refused("requests[0]") { $0.struct_size = 8 }
    refused("requests[0].reserved") { $0.reserved = 1 }
    refused("prompt") { $0.prompt = nil }
    // Nothing was started: none of them is fine.
    let many = Requests()
    for _ in 0..<3 { many.add(session, "x") }
    many.list[2].session = nil
    #expect(many.run() == FOVEA_ERROR_ARGUMENT && many.list.allSatisfy { $0.status == FOVEA_ERROR_ARGUMENT })
    withUnsafePointer(to: fovea_message()) { message in refused("prompt and messages") { $0.messages = message } }
    #expect(fovea_batch(nil, 0) == FOVEA_OK)
    #expect(fovea_batch(nil, 3) == FOVEA_ERROR_ARGUMENT)
    #expect(fovea_batch(nil, -1) == FOVEA_ERROR_ARGUMENT)
  }
}
