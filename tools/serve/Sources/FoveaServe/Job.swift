// SPDX-License-Identifier: Apache-2.0
import CFovea
import Synchronization

/// A task for a model: it waits in the queue, then runs on a worker's thread. It may be stopped at any time.
final class Job: Sendable {
  /// Sendable, since a session may be cancelled from any thread.
  private struct Handle: @unchecked Sendable {
    let session: OpaquePointer?
  }

  private enum State {
    case waiting
    case running(Handle)
    case stopped(APIError)
    case finished
  }

  let client: String
  /// Deadline of the request.
  let deadline: ContinuousClock.Instant
  let since = ContinuousClock.now
  private let state: Mutex<State> = Mutex(.waiting)
  private let work: @Sendable (Job, WorkerSession) -> Void
  private let refuse: @Sendable (APIError) -> Void

  /// - Parameter work: called once on a worker's thread, unless `refuse` is.
  init(
    client: String, deadline: ContinuousClock.Instant, work: @escaping @Sendable (Job, WorkerSession) -> Void,
    refuse: @escaping @Sendable (APIError) -> Void
  ) {
    (self.client, self.deadline, self.work, self.refuse) = (client, deadline, work, refuse)
  }

  /// Why it was stopped, if it was. Checked in the library's callbacks.
  var stopped: APIError? { state.withLock { if case .stopped(let reason) = $0 { reason } else { nil } } }

  /// Seconds left; above 0, since 0 means no limit to the library.
  var secondsLeft: Double { max((deadline - .now) / .seconds(1), 0.001) }

  /// Stops it, queued or running. A running library call returns within about one layer's work.
  func stop(_ reason: APIError) {
    state.withLock { state in
      switch state {
      case .waiting: state = .stopped(reason)
      case .running(let handle):
        // Under the lock: the worker keeps the session alive until it has cleared the handle.
        fovea_session_cancel(handle.session)
        state = .stopped(reason)
      case .stopped, .finished: return
      }
    }
  }

  /// Called on the worker's thread.
  func run(on worker: WorkerSession) {
    let handle = Handle(session: worker.session)
    let reason: APIError? = state.withLock { state in
      if case .stopped(let reason) = state { return reason }
      state = .running(handle)
      return nil
    }
    if let reason { return refuse(reason) }
    work(self, worker)
    state.withLock { state in if case .running = state { state = .finished } }
  }

  /// For a job that never reached a worker.
  func drop(_ reason: APIError) {
    let first = state.withLock { state in
      if case .finished = state { return false }
      state = .finished
      return true
    }
    if first { refuse(reason) }
  }
}
