// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@Suite struct StopSignalTests {
  @Test func aNewSignalLetsWorkRun() throws {
    let stop = StopSignal()
    #expect(!stop.isStopped)
    #expect(stop.deadline == nil)
    try stop.check()
  }

  @Test func cancelStopsUntilReset() throws {
    let stop = StopSignal()
    stop.cancel()
    let error = #expect(throws: RuntimeError.self) { try stop.check() }
    guard case .cancelled = error else { throw try #require(error) }
    stop.reset()
    try stop.check()
  }

  @Test func aPastDeadlineStops() throws {
    let stop = StopSignal()
    for deadline in [UInt64(0), 1, StopSignal.now] {
      stop.deadline = deadline
      let error = #expect(throws: RuntimeError.self) { try stop.check() }
      guard case .deadlineExceeded = error else { throw try #require(error) }
    }
    stop.deadline = nil
    try stop.check()
  }

  @Test func aFutureDeadlineStopsWhenItComes() throws {
    let stop = StopSignal()
    stop.stop(after: 3600)
    #expect(!stop.isStopped)
    stop.stop(after: 0.02)
    let start = StopSignal.now
    while !stop.isStopped { #expect(StopSignal.now - start < 5_000_000_000) }
    #expect(StopSignal.now - start >= 19_000_000)
  }

  @Test(arguments: [Double.infinity, .nan, 1e30]) func anEndlessDeadlineIsNone(seconds: Double) {
    let stop = StopSignal()
    stop.stop(after: seconds)
    #expect(stop.deadline == nil)
  }

  @Test(arguments: [0, -1, -Double.infinity]) func aDeadlineInThePastStopsAtOnce(seconds: Double) {
    let stop = StopSignal()
    stop.stop(after: seconds)
    #expect(stop.isStopped)
  }

  @Test func anotherThreadStopsARunningComputation() throws {
    let ctx = context(threads: 2)
    let stopped = Flag()
    // One index works layer by layer until it is told to stop, the other tells it.
    ctx.pool.run(2) { i in
      if i == 0 {
        while (try? ctx.check()) != nil {}
        stopped.set()
      } else {
        ctx.stop.cancel()
      }
    }
    #expect(stopped.isSet)
    #expect(throws: RuntimeError.self) { try ctx.check() }
  }
}
