// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Shims
import Testing

/// Things threads write to: atomics of the shims on memory of their own.
final class Flag: @unchecked Sendable {
  let count = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  init() { count.initialize(to: 0) }
  deinit { count.deallocate() }
  func set() { atomic_store32(count, 1) }
  @discardableResult func add() -> Int { Int(atomic_add32(count, 1)) }
  var value: Int { Int(atomic_load32(count)) }
  var isSet: Bool { value != 0 }
}

/// Number of the calling thread, as /proc names it.
private func threadNumber() -> Int {
  let link = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) ?? ""
  return Int(link.split(separator: "/").last ?? "") ?? -1
}

private func threadNumbers() throws -> Set<Int> {
  Set(try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").compactMap { Int($0) })
}

/// The numbers of all threads of a pool: each waits in its body until all have come.
private func gather(_ pool: ThreadPool) -> [Int] {
  let arrived = Flag()
  let numbers = UnsafeMutableBufferPointer<Int>.allocate(capacity: pool.threads)
  defer { numbers.deallocate() }
  pool.run(pool.threads) { i in
    numbers[i] = threadNumber()
    arrived.add()
    while arrived.value < pool.threads { sched_yield() }
  }
  return Array(numbers)
}

@Suite struct ThreadPoolTests {
  @Test(arguments: [1, 2, 3, 8]) func everyIndexIsCalledOnce(threads: Int) {
    let pool = ThreadPool(threads: threads)
    #expect(pool.threads == threads)
    for count in [0, 1, 2, 3, 7, 64, 1000] {
      var calls = [Int](repeating: 0, count: count)
      calls.withUnsafeMutableBufferPointer { calls in
        nonisolated(unsafe) let calls = calls
        pool.run(count) { calls[$0] += 1 }
      }
      #expect(calls.allSatisfy { $0 == 1 })
    }
  }

  /// Also where a host leaves jobs out or calls them twice, for loops inside loops, and from more callers than the host has threads.
  @Test(arguments: ["in order", "none", "the last", "twice", "threads"]) func aHostsThreadsCallEveryIndexOnce(way: String) {
    let host = HostThreads { count, job, context in
      nonisolated(unsafe) let context = context
      switch way {
      case "in order": for i in 0..<count { job(context, i) }
      case "the last": job(context, count - 1)
      case "twice": for i in 0..<2 * count { job(context, i / 2) }
      case "threads": DispatchQueue.concurrentPerform(iterations: count) { job(context, $0) }
      default: break
      }
    }
    let pool = ThreadPool(threads: 4, host: host)
    let (outer, inner) = (Flag(), Flag())
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for _ in 0..<20 {
        pool.run(17) { _ in
          outer.add()
          pool.run(3) { _ in inner.add() }
        }
      }
    }
    #expect(outer.value == 8 * 20 * 17 && inner.value == 3 * outer.value)
  }

  @Test(arguments: [1, 2, 3, 5]) func splitCoversEverythingOnceInRangesOfTheGrain(threads: Int) {
    let pool = ThreadPool(threads: threads)
    for (count, grain) in [(0, 1), (1, 1), (5, 100), (100, 7), (1000, 1), (1001, 64), (3, 0)] {
      var calls = [Int](repeating: 0, count: count)
      let short = Flag()
      calls.withUnsafeMutableBufferPointer { calls in
        nonisolated(unsafe) let calls = calls
        pool.split(count, grain: grain) { range in
          if range.count < grain, range.upperBound != count { short.add() }
          for i in range { calls[i] += 1 }
        }
      }
      #expect(calls.allSatisfy { $0 == 1 })
      #expect(short.value == 0)
    }
  }

  @Test(arguments: [2, 4]) func allThreadsComputeAtTheSameTime(threads: Int) {
    // Would never end if one thread had to take two indices.
    #expect(Set(gather(ThreadPool(threads: threads))).count == threads)
  }

  @Test func manyShortLoopsInARow() {
    let pool = ThreadPool(threads: 3)
    var sum = 0
    for round in 0..<20_000 {
      let done = Flag()
      pool.run(1 + round % 7) { _ in done.add() }
      sum += done.value
      if done.value != 1 + round % 7 { Issue.record("round \(round): \(done.value)") }
    }
    #expect(sum == (0..<20_000).reduce(0) { $0 + 1 + $1 % 7 })
  }

  /// A worker that comes late to the end of a short loop must not take an index of the longer one that is being set up.
  @Test(arguments: [2, 4]) func everyIndexOnceWhenLoopsGrowAndShrink(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let calls = (0..<40).map { _ in Flag() }
    for round in 0..<60_000 {
      let count = round % 2 == 0 ? 2 : 2 + round % 38
      pool.run(count) { calls[$0].add() }
    }
    for i in 0..<40 {
      let expected = (0..<60_000).count { ($0 % 2 == 0 ? 2 : 2 + $0 % 38) > i }
      #expect(calls[i].value == expected, "index \(i)")
    }
  }

  @Test func loopsAfterThePoolHasGoneToSleep() {
    let pool = ThreadPool(threads: 3)
    for _ in 0..<50 {
      usleep(2000)
      let done = Flag()
      pool.run(10) { _ in done.add() }
      #expect(done.value == 10)
    }
  }

  @Test func severalHostThreadsShareAPool() {
    let pool = ThreadPool(threads: 3)
    let hosts = 6
    let rounds = 3000
    let wrong = Flag()
    let finished = Flag()
    let threads = (0..<hosts).map { host in
      Thread {
        for round in 0..<rounds {
          let count = 1 + (host * 31 + round) % 11
          let done = Flag()
          pool.run(count) { _ in done.add() }
          if done.value != count { wrong.add() }
        }
        finished.add()
      }
    }
    for thread in threads { thread.start() }
    while finished.value < hosts { usleep(1000) }
    #expect(wrong.value == 0)
  }

  @Test func aLoopInsideALoopRunsInline() {
    let pool = ThreadPool(threads: 3)
    for _ in 0..<200 {
      let done = Flag()
      let strayed = Flag()
      pool.run(5) { _ in
        let me = pthread_self()
        pool.run(4) { _ in
          if pthread_self() != me { strayed.add() }
          pool.split(3, grain: 1) { range in for _ in range { done.add() } }
        }
      }
      #expect(done.value == 60)
      #expect(strayed.value == 0)
    }
  }

  @Test func aPoolInsideAnotherPoolWorks() {
    let (outer, inner) = (ThreadPool(threads: 2), ThreadPool(threads: 2))
    let done = Flag()
    for _ in 0..<200 { outer.run(4) { _ in inner.run(5) { _ in done.add() } } }
    #expect(done.value == 200 * 20)
  }

  @Test func aSlowIndexHoldsNobodyElseUp() {
    let pool = ThreadPool(threads: 2)
    let others = Flag()
    // Index 0 waits until all others are done: one thread must be able to do them all.
    pool.run(100) { i in
      if i == 0 {
        while others.value < 99 { sched_yield() }
      } else {
        others.add()
      }
    }
    #expect(others.value == 99)
  }

  @Test func threadsEndWithThePool() throws {
    var numbers: [Int] = []
    for _ in 0..<20 {
      let pool = ThreadPool(threads: 4)
      numbers += gather(pool).filter { $0 != threadNumber() }
    }
    #expect(numbers.count == 60)
    // A joined thread's number leaves /proc a moment after the join.
    var isGone = false
    for _ in 0..<1000 where !isGone {
      isGone = try threadNumbers().isDisjoint(with: numbers)
      if !isGone { usleep(5000) }
    }
    #expect(isGone)
  }

  @Test func workersTakeNoSignalsOfTheHost() throws {
    let pool = ThreadPool(threads: 2)
    let worker = try #require(gather(pool).first { $0 != threadNumber() })
    let status = try String(contentsOfFile: "/proc/self/task/\(worker)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") })
    let mask = try #require(UInt64(line.split(separator: "\t").last ?? "", radix: 16))
    #expect(mask >> UInt64(SIGINT - 1) & 1 == 1)
    #expect(mask >> UInt64(SIGTERM - 1) & 1 == 1)
  }

  @Test func aForkedChildComputesAlone() throws {
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(try #require(dlsym(nil, "fork")), to: Fork.self)
    var pool: ThreadPool? = ThreadPool(threads: 3)
    let done = Flag()
    pool?.run(10) { _ in done.add() }
    let child = fork()
    if child == 0 {
      pool?.run(10) { _ in done.add() }
      pool = nil  // must not wait for threads that this process does not have
      _exit(done.value == 20 ? 7 : 8)
    }
    var status: Int32 = 0
    let start = Date()
    while waitpid(child, &status, WNOHANG) == 0 {
      if Date().timeIntervalSince(start) > 20 {
        kill(child, SIGKILL)
        waitpid(child, &status, 0)
      }
      usleep(1000)
    }
    #expect(status == 7 << 8)
    pool?.run(10) { _ in done.add() }
    #expect(done.value == 20)
  }
}
