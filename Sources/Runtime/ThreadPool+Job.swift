// SPDX-License-Identifier: Apache-2.0
import Shims

/// The loop that a `ThreadPool` is working on, and the protocol by which threads share it.
///
/// One 64-bit word, `ticket`, holds the number of the loop (upper half) and the next free index (lower half). A thread takes an
/// index by exchanging the word it has seen for one with the next index. `body` and `count` change only while the ticket is closed, its index beyond
/// any count. A successful exchange proves that the ticket has not changed since `count` was read, so the index belongs to that loop, however late
/// the thread is (unless it sleeps through 2³² loops); until the index counts as finished, `body` is that loop's, too.
final class Job: @unchecked Sendable {
  typealias Body = (Int) -> Void

  private let memory: UnsafeMutableRawPointer
  // What starts a loop is on one cache line.
  private let ticket: UnsafeMutablePointer<UInt64>  // loop number << 32 | next index
  private let count: UnsafeMutablePointer<UInt64>
  private let body: UnsafeMutablePointer<UInt64>  // address of the caller's closure
  private let loop: UnsafeMutablePointer<UInt32>  // loop number, what idle workers sleep on
  // Each on a cache line of its own: they are written by different threads.
  private let finished: UnsafeMutablePointer<UInt32>  // indices done of this loop
  private let idle: UnsafeMutablePointer<UInt32>  // workers asleep
  private let waiting: UnsafeMutablePointer<UInt32>  // 1: the caller sleeps on `finished`
  private let owner: UnsafeMutablePointer<UInt64>  // thread whose loop this is, 0: none
  private let stopped: UnsafeMutablePointer<UInt32>
  private let turn: UnsafeMutablePointer<pthread_mutex_t>
  private let spins: Int

  init(spins: Int) {
    let line = 128
    let raw = UnsafeMutableRawPointer.allocate(byteCount: 7 * line, alignment: line)
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: 7 * line)
    memory = raw
    func word32(_ i: Int, _ offset: Int = 0) -> UnsafeMutablePointer<UInt32> {
      (raw + i * line + offset).bindMemory(to: UInt32.self, capacity: 1)
    }
    func word64(_ i: Int, _ offset: Int = 0) -> UnsafeMutablePointer<UInt64> {
      (raw + i * line + offset).bindMemory(to: UInt64.self, capacity: 1)
    }
    ticket = word64(0)
    count = word64(0, 8)
    body = word64(0, 16)
    loop = word32(0, 24)
    finished = word32(1)
    idle = word32(2)
    waiting = word32(3)
    owner = word64(4)
    stopped = word32(5)
    turn = (raw + 6 * line).bindMemory(to: pthread_mutex_t.self, capacity: 1)
    pthread_mutex_init(turn, nil)
    self.spins = spins
  }

  deinit {
    pthread_mutex_destroy(turn)
    memory.deallocate()
  }

  func isOwner(_ thread: pthread_t) -> Bool { atomic_load64(owner) == UInt64(thread) }

  /// Runs one loop with the help of the workers. Waits for other callers first.
  func take(turn work: (Int) -> Void, _ total: Int) {
    pthread_mutex_lock(turn)
    run(work, total, nil, jobs: 0)
    pthread_mutex_unlock(turn)
  }

  /// Runs one loop with the help of a host's threads, in at most `jobs` jobs; false where another loop has them, or this thread is
  /// inside one.
  func take(turn work: (Int) -> Void, _ total: Int, _ host: HostThreads, jobs: Int) -> Bool {
    guard pthread_mutex_trylock(turn) == 0 else { return false }
    run(work, total, host, jobs: jobs)
    pthread_mutex_unlock(turn)
    return true
  }

  /// The caller has the turn.
  private func run(_ work: (Int) -> Void, _ total: Int, _ host: HostThreads?, jobs: Int) {
    atomic_store64(owner, UInt64(pthread_self()))
    withoutActuallyEscaping(work) { work in
      // An index has 32 bits, of which all ones mean closed; longer loops run in parts.
      var start = 0
      while start < total {
        let (base, part) = (start, min(total - start, 1 << 30))
        let body: Body = base == 0 ? work : { work(base &+ $0) }
        withUnsafePointer(to: body) { share(part, $0, host, jobs: jobs) }
        start += part
      }
    }
    atomic_store64(owner, 0)
  }

  private static let closed: UInt64 = 0xffff_ffff

  private func share(_ total: Int, _ work: UnsafePointer<Body>, _ host: HostThreads?, jobs: Int) {
    let number = atomic_load32(loop) &+ 1
    atomic_store64(ticket, UInt64(number) << 32 | Job.closed)
    atomic_store64(body, UInt64(UInt(bitPattern: work)))
    atomic_store64(count, UInt64(total))
    atomic_store32(finished, 0)
    atomic_store64(ticket, UInt64(number) << 32)
    atomic_store32(loop, number)
    if atomic_load32(idle) > 0 { futex_wake32(loop, Int32(truncatingIfNeeded: total - 1)) }

    if let host { host.run(jobs, { context, _ in Job.help(context) }, Unmanaged.passUnretained(self).toOpaque()) }
    // The only work where a host runs no job.
    takeIndices(of: number)

    // Every index is taken; some may still be at work.
    var spin = 0
    while true {
      let done = atomic_load32(finished)
      if done == UInt32(total) { return }
      if spin < spins {
        spin += 1
        spin_pause()
        continue
      }
      atomic_store32(waiting, 1)
      if atomic_load32(finished) == done { futex_wait32(finished, done) }
      atomic_store32(waiting, 0)
    }
  }

  /// A job on a host's thread: helps with the current loop. Does nothing where all its indices are taken.
  private static func help(_ context: UnsafeMutableRawPointer?) {
    guard let context else { return }
    // The caller of `share` keeps the job.
    let job = Unmanaged<Job>.fromOpaque(context).takeUnretainedValue()
    job.takeIndices(of: atomic_load32(job.loop))
  }

  /// Works on loop `number` until no index of it is free.
  private func takeIndices(of number: UInt32) {
    guard let first = nextIndex(of: number) else { return }
    // An index is taken: until it counts as finished, the body is this loop's.
    let done = call(UInt(atomic_load64(body)), first, of: number)
    let all = atomic_add32(finished, done)
    // `finished` may belong to the next loop from here on; a wake too many does no harm.
    if atomic_load32(waiting) != 0, UInt64(all) >= atomic_load64(count) { futex_wake32(finished, 1) }
  }

  /// Takes an index of loop `number`; nil where none is free.
  @inline(__always)
  private func nextIndex(of number: UInt32) -> Int? {
    while true {
      let now = atomic_load64(ticket)
      let index = now & 0xffff_ffff
      guard UInt32(truncatingIfNeeded: now >> 32) == number, index < atomic_load64(count) else { return nil }
      if atomic_exchange64_if(ticket, now, now &+ 1) { return Int(index) }
    }
  }

  /// Calls the body at `address` with `first` and with the indices it can take after it.
  /// - Returns: how many.
  // Not inlined: what it retains of the closure, once for all indices, must be released before they count as finished.
  @inline(never)
  private func call(_ address: UInt, _ first: Int, of number: UInt32) -> UInt32 {
    guard let pointer = UnsafePointer<Body>(bitPattern: address) else { return 0 }
    let body = pointer.pointee
    var done: UInt32 = 0
    var index: Int? = first
    while let i = index {
      body(i)
      done &+= 1
      index = nextIndex(of: number)
    }
    return done
  }

  /// A worker's main function: helps with each loop, spins a little after it, then sleeps.
  func serve() {
    var seen: UInt32 = 0
    var spin = 0
    while true {
      let number = atomic_load32(loop)
      if number != seen {
        seen = number
        spin = 0
        if atomic_load32(stopped) != 0 { return }
        takeIndices(of: number)
        continue
      }
      if spin < spins {
        spin += 1
        spin_pause()
        continue
      }
      _ = atomic_add32(idle, 1)
      futex_wait32(loop, seen)
      _ = atomic_add32(idle, .max)  // −1
    }
  }

  /// Makes the workers return. No loop is running.
  func stop() {
    atomic_store32(stopped, 1)
    _ = atomic_add32(loop, 1)
    futex_wake32(loop, .max)
  }
}
