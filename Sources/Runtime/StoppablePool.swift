// SPDX-License-Identifier: Apache-2.0

/// A thread pool as one computation uses it. Once that is told to stop, its loops leave out the indices that are left: what they were to
/// write is then unwritten, and must neither be taken for a result nor for an index before `StopSignal.check` has passed.
///
/// So a computation ends within one index of a loop, a tile of a product say, and not only between layers.
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
