// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// From a worker's thread to the task that writes to the client. The worker never waits: text that has not been fetched is joined to the
/// queued text, so at most the answer is held, however slow the client is.
final class AnswerChannel<Value: Sendable>: Sendable {
  enum Event: Sendable {
    case text(String)
    case finished(Value)
    case failed(APIError)
  }

  private struct State {
    var text = ""
    var end: Event?
    var reader: CheckedContinuation<Event, Never>?
  }

  private let state = Mutex(State())

  func add(_ text: String) {
    guard !text.isEmpty else { return }
    let reader = state.withLock { state in
      if state.end != nil { return nil as CheckedContinuation<Event, Never>? }
      if let reader = state.reader {
        state.reader = nil
        return reader
      }
      state.text += text
      return nil
    }
    reader?.resume(returning: .text(text))
  }

  /// The first end wins.
  func end(_ event: Event) {
    let reader = state.withLock { state in
      guard state.end == nil else { return nil as CheckedContinuation<Event, Never>? }
      state.end = event
      defer { state.reader = nil }
      return state.reader
    }
    reader?.resume(returning: event)
  }

  /// The next piece of text, or the end, which is repeated. One reader at a time.
  func next() async -> Event {
    await withTaskCancellationHandler {
      await withCheckedContinuation { reader in
        let event: Event? = state.withLock { state in
          if !state.text.isEmpty {
            defer { state.text = "" }
            return .text(state.text)
          }
          if let end = state.end { return end }
          state.reader = reader
          return nil
        }
        if let event { reader.resume(returning: event) }
      }
    } onCancel: {
      end(.failed(.gone))
    }
  }

  /// Waits for the end and returns its value.
  func value() async throws(APIError) -> Value {
    while true {
      switch await next() {
      case .text: continue
      case .finished(let value): return value
      case .failed(let error): throw error
      }
    }
  }
}
