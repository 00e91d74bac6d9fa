// SPDX-License-Identifier: Apache-2.0
import Runtime
import Shims
import Testing
import WeightFile

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

  @Test(arguments: [1, 2]) func aLoopLeavesOutWhatComesAfterTheStop(threads: Int) throws {
    let ctx = context(threads: threads)
    let pool = ctx.pool
    let done = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
    defer { done.deallocate() }
    for isSplit in [false, true] {
      ctx.stop.reset()
      done.initialize(to: 0)
      let work: (Int) -> Void = { _ in
        if atomic_add32(done, 1) == 2 { ctx.stop.cancel() }
      }
      if isSplit { pool.split(1000, grain: 1) { _ in work(0) } } else { pool.run(1000, work) }
      // What others had begun they finish.
      #expect((2...2 + UInt32(threads)).contains(done.pointee))
      #expect(throws: RuntimeError.self) { try ctx.check() }
    }
  }

  /// A product of one layer that alone takes far longer than its deadline.
  @Test func aLongProductEndsSoonAfterItsDeadline() throws {
    let ctx = context(threads: 2)
    let folder = try TemporaryFolder()
    let (inputs, outputs) = (2048, 16384)
    let weight = try TestTensor("wide.weight", [Float](repeating: 0.5, count: inputs * outputs), outputs, inputs, .f32x16)
    let store = try WeightStore(
      WeightFile(path: write([weight], in: folder, .none)), pool: ctx.pool.threadPool, kernels: ctx.kernels)
    let wide = try Linear(store.root["wide"], from: inputs, to: outputs)
    let x = try ctx.arena.tensor(512, inputs)
    fill(x, with: 1, ctx)
    let y = try ctx.arena.tensor(512, outputs)
    let start = StopSignal.now
    try wide(x, into: y, ctx)
    let whole = StopSignal.now - start
    ctx.stop.stop(after: 0.01)
    let again = StopSignal.now
    try wide(x, into: y, ctx)
    let stopped = StopSignal.now - again
    #expect(throws: RuntimeError.self) { try ctx.check() }
    #expect(whole > 200_000_000 && stopped < 60_000_000, "\(whole) ns in all, \(stopped) ns with a deadline of 10 ms")
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
