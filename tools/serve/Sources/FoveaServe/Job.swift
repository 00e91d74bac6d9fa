// SPDX-License-Identifier: Apache-2.0
import CFovea
import Synchronization

/// One piece of work for a model: it waits in the queue, then a worker's thread runs it. It may be stopped at any time.
final class Job: Sendable {
  /// A session may be cancelled from any thread.
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
  /// The end of the time that the request may take.
  let deadline: ContinuousClock.Instant
  let since = ContinuousClock.now
  private let state: Mutex<State> = Mutex(.waiting)
  private let work: @Sendable (Job, WorkerSession) -> Void
  private let refuse: @Sendable (APIError) -> Void

  /// - Parameter work: called on a worker's thread, unless `refuse` is, once.
  init(
    client: String, deadline: ContinuousClock.Instant, work: @escaping @Sendable (Job, WorkerSession) -> Void,
    refuse: @escaping @Sendable (APIError) -> Void
  ) {
    (self.client, self.deadline, self.work, self.refuse) = (client, deadline, work, refuse)
  }

  /// Why it was stopped, if it was. Callbacks of the library look here.
  var stopped: APIError? { state.withLock { if case .stopped(let reason) = $0 { reason } else { nil } } }

  /// Seconds left, above 0 as the library's options want it.
  var secondsLeft: Double { max((deadline - .now) / .seconds(1), 0.001) }

  /// Stops it wherever it is. The library's call returns soon, within a layer's work.
  func stop(_ reason: APIError) {
    state.withLock { state in
      switch state {
      case .waiting: state = .stopped(reason)
      case .running(let handle):
        // Under the lock: the worker keeps the session as long as it has not taken it back.
        fovea_session_cancel(handle.session)
        state = .stopped(reason)
      case .stopped, .finished: return
      }
    }
  }

  /// On the worker's thread.
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

  /// For one that never got to a worker.
  func drop(_ reason: APIError) {
    let first = state.withLock { state in
      if case .finished = state { return false }
      state = .finished
      return true
    }
    if first { refuse(reason) }
  }
}
