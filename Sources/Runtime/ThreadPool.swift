// SPDX-License-Identifier: Apache-2.0
import Shims

/// A fixed set of plain threads that share loops with the calling thread.
///
/// `run` hands out indices one by one, so a thread that the system delays does not delay the others: they take its share, and a
/// caller waits only for indices that a worker has begun. Results must not depend on which thread computes what; with bodies
/// whose indices are independent they never do.
///
/// Several host threads may call `run`; they take turns. A `run` from inside a body is done by that thread alone.
/// With a host's threads one loop at a time runs on them; a thread that finds them in use computes its loop alone, so that none waits for a
/// thread that the host needs.
/// After a `fork`, also one during a loop, the child has no workers and computes everything in the calling thread.
package final class ThreadPool: @unchecked Sendable {
  /// Threads that compute, the calling one included.
  package let threads: Int

  /// Calls no body: for a dry run, which goes through a model's code to learn what memory it takes.
  private let isIdle: Bool
  private let job: Job
  private var workers: [pthread_t] = []
  private let fork = ForkMark()
  private let host: HostThreads?

  /// Threads that a pool of `wanted` threads has, if the system gives them; nil: as many as `CPUBudget` finds useful.
  package static func count(_ wanted: Int?) -> Int { min(max(wanted ?? CPUBudget.current().threads, 1), 1024) }

  /// - Parameters:
  ///   - threads: nil: as many as `CPUBudget` finds useful. Fewer start when the system refuses more.
  ///   - host: runs the loops, in up to `threads` jobs, instead of threads of the pool's own.
  package init(threads wanted: Int? = nil, host: HostThreads? = nil) {
    isIdle = false
    self.host = host
    let budget = CPUBudget.current()
    let count = min(max(wanted ?? budget.threads, 1), 1024)
    // Spinning threads that share a CPU steal it from each other.
    job = Job(spins: count <= budget.processors ? 2000 : 0)
    if host != nil {
      threads = count
      return
    }
    for _ in 1..<max(count, 1) {
      var thread = pthread_t()
      let argument = Unmanaged.passUnretained(job).toOpaque()
      guard thread_start(&thread, workStack, { ThreadPool.work($0) }, argument) == 0 else { break }
      workers.append(thread)
    }
    self.threads = workers.count + 1
  }

  /// Bytes of stack that so many threads have touched, about, when each has run the kernels that take most.
  package static func stackBytes(threads: Int) -> Int { (threads - 1) &* largestStackMemory }

  /// A pool that calls no body and says it had `threads` threads.
  package init(idleWith threads: Int) {
    isIdle = true
    host = nil
    job = Job(spins: 0)
    self.threads = max(threads, 1)
  }

  deinit {
    job.stop()
    // A forked child has only the thread that forked; joining the others would wait for ever.
    if !fork.isChild {
      for worker in workers { pthread_join(worker, nil) }
    }
  }

  /// Calls `body` once with each of `0..<count`, on any of the threads, and returns when all calls have returned.
  ///
  /// In Embedded Swift, where all is one module, the compiler would make a copy of this and of `split` for each body, 0.2 MB of them.
  #if hasFeature(Embedded)
  @_optimize(none)
  #endif
  package func run(_ count: Int, _ body: (Int) -> Void) {
    if isIdle { return }
    // The job of a child may be held by a thread that it does not have.
    guard count > 1, threads > 1, !fork.isChild, !isInside else { return alone(count, body) }
    if let host {
      if !job.take(turn: body, count, host, jobs: min(count, threads)) { alone(count, body) }
    } else {
      job.take(turn: body, count)
    }
  }

  private func alone(_ count: Int, _ body: (Int) -> Void) {
    var i = 0
    while i < count {
      body(i)
      i &+= 1
    }
  }

  /// Calls `body` with ranges that cover `0..<count` without overlap, each of at least `grain` indices but the last.
  /// The ranges depend on the number of threads: only for bodies whose indices are independent.
  #if hasFeature(Embedded)
  @_optimize(none)
  #endif
  package func split(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    guard count > 0, !isIdle else { return }
    // A few ranges a thread, so that one that comes late leaves its share to others.
    let share = (count - 1) / (threads &* 4) + 1
    let step = max(share, grain, 1)
    let ranges = (count - 1) / step + 1
    if ranges == 1 { return body(0..<count) }
    run(ranges) { i in
      let start = i &* step
      body(start..<min(start &+ step, count))
    }
  }

  /// Whether this thread is computing for this pool right now.
  private var isInside: Bool {
    let me = pthread_self()
    if job.isOwner(me) { return true }
    for worker in workers where pthread_equal(worker, me) != 0 { return true }
    return false
  }

  private static func work(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    // The pool keeps the job until this thread is joined.
    Unmanaged<Job>.fromOpaque(argument).takeUnretainedValue().serve()
    return nil
  }
}
