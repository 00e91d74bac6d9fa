// SPDX-License-Identifier: Apache-2.0
import CFovea
import Foundation

/// The state of a worker's thread. It keeps its session between jobs, so that a continued conversation is not prefilled again.
final class WorkerSession {
  let model: LoadedModel
  let pictures: PictureCache
  fileprivate(set) var session: OpaquePointer?

  fileprivate init(model: LoadedModel, pictures: PictureCache) { (self.model, self.pictures) = (model, pictures) }
  deinit { fovea_session_free(session) }

  fileprivate func prepare() throws(LibraryFailure) {
    guard session == nil else { return }
    try LibraryFailure.check(fovea_session_create(model.pointer, nil, &session))
  }
}

/// A loaded model with its queue and one thread per session. The library batches the decoder passes of concurrent sessions. All library calls
/// run on these threads, none on an event loop.
final class ModelWorkers: @unchecked Sendable {
  let name: String
  let model: LoadedModel
  let pictures: PictureCache
  private let longest: Int
  private let condition = NSCondition()
  private var queue = FairQueue<Job>()
  /// Idle workers, the most recent one last: it takes the next job, and may still hold its conversation.
  private var idle: [Int] = []
  private var running: [Int: Job] = [:]
  private var threads = 0
  private var ends = false

  /// - Parameter longest: most queued jobs.
  init(name: String, model: LoadedModel, sessions: Int, longest: Int, picturesBytes: Int) {
    (self.name, self.model, self.longest) = (name, model, longest)
    pictures = PictureCache(capacity: picturesBytes)
    threads = sessions
    for index in 0..<sessions {
      let thread = Thread { [self] in work(index) }
      thread.name = "fovea-\(index)"
      thread.stackSize = 4 << 20
      thread.start()
    }
  }

  var waiting: Int { condition.withLock { queue.count } }
  var busy: Int { condition.withLock { running.count } }

  func submit(_ job: Job) throws(APIError) {
    let refusal: APIError? = condition.withLock {
      if ends { return .stopping }
      // Idle workers do not count towards the limit.
      if queue.count >= longest + max(threads - running.count - queue.count, 0) {
        let seconds = 1 + queue.count / max(threads, 1)
        return APIError(
          .tooManyRequests, "queue_full", "\(queue.count) requests wait for \(name) already.", retryAfter: min(seconds, 30))
      }
      queue.add(job, client: job.client)
      condition.broadcast()
      return nil
    }
    if let refusal { throw refusal }
  }

  /// Stops a job, also a queued one.
  func stop(_ job: Job, _ reason: APIError) {
    job.stop(reason)
    let removed = condition.withLock { queue.remove { $0 === job } }
    for job in removed { job.drop(reason) }
  }

  func stopAll(_ reason: APIError) {
    let (removed, others) = condition.withLock { (queue.remove { _ in true }, Array(running.values)) }
    for job in removed { job.drop(reason) }
    for job in others { job.stop(reason) }
  }

  /// Ends the threads and releases sessions and pictures. Returns when the last thread has ended.
  func end() {
    condition.withLock {
      ends = true
      condition.broadcast()
    }
    stopAll(.stopping)
    condition.withLock { while threads > 0 { condition.wait() } }
    pictures.removeAll()
  }

  private func work(_ index: Int) {
    let worker = WorkerSession(model: model, pictures: pictures)
    while let job = next(index) {
      do throws(LibraryFailure) {
        try worker.prepare()
        job.run(on: worker)
      } catch {
        job.drop(APIError(error, timeLimit: 0))
      }
      condition.withLock { running[index] = nil }
    }
    fovea_session_free(worker.session)
    worker.session = nil
    condition.withLock {
      threads -= 1
      condition.broadcast()
    }
  }

  private func next(_ index: Int) -> Job? {
    condition.withLock {
      idle.append(index)
      while true {
        if ends { return nil }
        if idle.last == index, let job = queue.take() {
          idle.removeLast()
          running[index] = job
          condition.broadcast()
          return job
        }
        condition.wait()
      }
    }
  }
}
