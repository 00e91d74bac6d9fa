// SPDX-License-Identifier: Apache-2.0

/// A thread pool that one computation uses. Once it is told to stop, its loops skip the remaining indices. What those would have written stays
/// unwritten: use it neither as a result nor as an index before `StopSignal.check` has passed.
///
/// So a computation stops within one index of a loop, such as a tile of a product, not only between layers.
package struct StoppablePool {
  package let threadPool: ThreadPool
  let stop: StopSignal

  /// Threads that compute, the calling one included.
  package var threads: Int { threadPool.threads }

  /// `ThreadPool.run`.
  package func run(_ count: Int, _ body: (Int) -> Void) {
    threadPool.run(count) { i in
      if !stop.isStopped { body(i) }
    }
  }

  /// `ThreadPool.split`.
  package func split(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    threadPool.split(count, grain: grain) { range in
      if !stop.isStopped { body(range) }
    }
  }
}
