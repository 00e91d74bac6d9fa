// SPDX-License-Identifier: Apache-2.0
import Hummingbird

/// A question waiting for a model or being answered. It is stopped at its deadline, when its client disconnects, or when this object is released.
final class Asking: Sendable {
  let answer = AnswerChannel<AnswerSet>()
  private let job: Job
  private let lease: ModelLease
  private let clock: Task<Void, Never>

  /// - Throws: where the queue is full.
  init(
    _ messages: [ChatMessage], pictures: [PictureSource], settings: GenerationSettings, isStreamed: Bool, client: String, lease: ModelLease,
    share: BodyShare, deadline: ContinuousClock.Instant, limits: Limits
  ) throws(APIError) {
    let answer = answer
    let job = Job(client: client, deadline: deadline) { job, worker in
      do throws(LibraryFailure) {
        let set = try Generation(job: job, worker: worker).answer(messages, pictures: pictures, settings: settings) {
          if isStreamed { answer.add($0) }
        }
        answer.end(.finished(set))
      } catch {
        answer.end(.failed(job.stopped ?? APIError(error, timeLimit: limits.time)))
      }
      // Holds the body's share of memory until here.
      withExtendedLifetime(share) {}
    } refuse: {
      answer.end(.failed($0))
    }
    (self.job, self.lease) = (job, lease)
    let workers = lease.workers
    clock = Task {
      guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
      workers.stop(job, .late(limits.time))
    }
    do throws(APIError) {
      try workers.submit(job)
    } catch {
      clock.cancel()
      throw error
    }
  }

  deinit {
    clock.cancel()
    stop(.gone)
  }

  func stop(_ reason: APIError) { lease.workers.stop(job, reason) }
}
