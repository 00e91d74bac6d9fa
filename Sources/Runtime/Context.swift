// SPDX-License-Identifier: Apache-2.0
import Kernels

/// What every operation needs to run: kernels, threads, memory, and whether to stop.
///
/// The thread pool may be shared by many contexts; the arena belongs to one computation at a time. A class, since loops capture it: copies of a
/// structure would count references that several threads share.
package final class Context {
  package let kernels: KernelTable
  package let pool: StoppablePool
  package let arena: Arena
  package let stop: StopSignal
  /// Whether full (not causal) attention is computed in integers, heads of 64 and more with 8 bits. For models with quantised weights: the errors of
  /// their products are larger.
  package let integerAttention: Bool
  /// Collects the inputs of every `Linear` for calibration; nil: they are not collected.
  package let statistics: InputStatistics?
  /// Loads weights that are not resident; nil: all are.
  let pager: WeightPager?

  package init(
    kernels: KernelTable, pool: ThreadPool, arena: Arena = Arena(), stop: StopSignal = StopSignal(), integerAttention: Bool = false,
    statistics: InputStatistics? = nil, pager: WeightPager? = nil
  ) {
    self.pager = pager
    self.integerAttention = integerAttention
    self.statistics = statistics
    self.kernels = kernels
    self.pool = StoppablePool(threadPool: pool, stop: stop)
    self.arena = arena
    self.stop = stop
  }

  /// The same with another arena and stop signal.
  package func with(_ arena: Arena, _ stop: StopSignal) -> Context {
    Context(
      kernels: kernels, pool: pool.threadPool, arena: arena, stop: stop, integerAttention: integerAttention, statistics: statistics, pager: pager)
  }

  /// Throws when the computation was cancelled or its deadline has passed. Called between layers, and before a
  /// result leaves the computation: its last loops may have been cut short.
  package func check() throws(RuntimeError) { try stop.check() }
}

extension Context {
  /// Work of less than this many values is done by the calling thread: waking another costs more.
  static let smallWork = 8192

  /// Calls `body` with ranges that cover `0..<rows`, in parallel when `rows` rows of `cost` values each are worth it.
  /// Every row must be independent of the others.
  package func split(rows: Int, cost: Int, _ body: (Range<Int>) -> Void) {
    let grain = max(1, Context.smallWork / max(cost, 1))
    pool.split(rows, grain: grain, body)
  }

  /// Calls `body` with ranges that cover `0..<elements`, for element-wise work. Ranges start on cache lines.
  package func split(elements: Int, _ body: (Range<Int>) -> Void) {
    let line = 16
    pool.split((elements + line - 1) / line, grain: Context.smallWork / line) { lines in
      body(lines.lowerBound &* line..<min(lines.upperBound &* line, elements))
    }
  }
}
