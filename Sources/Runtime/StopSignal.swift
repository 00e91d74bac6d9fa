// SPDX-License-Identifier: Apache-2.0
import Shims

/// Tells a running computation to stop: by `cancel()` from any thread, or when a deadline passes. Looked at between layers.
package final class StopSignal: @unchecked Sendable {
  private let flag = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  private let end = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

  package init() {
    flag.initialize(to: 0)
    end.initialize(to: 0)
  }

  deinit {
    flag.deallocate()
    end.deallocate()
  }

  /// Asks the computation to stop. Any thread, lock-free.
  package func cancel() { atomic_store32(flag, 1) }

  /// Takes a cancellation back, and the deadline away.
  package func reset() {
    atomic_store32(flag, 0)
    atomic_store64(end, 0)
  }

  package var isCancelled: Bool { atomic_load32(flag) != 0 }

  /// Nanoseconds of the monotonic clock (`StopSignal.now`) at which to stop; nil: never.
  package var deadline: UInt64? {
    get {
      let value = atomic_load64(end)
      return value == 0 ? nil : value
    }
    set {
      // 0 says "none", so a deadline at 0 (long past) is kept as 1.
      atomic_store64(end, newValue.map { max($0, 1) } ?? 0)
    }
  }

  package static var now: UInt64 { monotonic_nanoseconds() }

  /// Sets the deadline `seconds` from now. Not finite or beyond the clock: no deadline.
  package func stop(after seconds: Double) {
    let nanoseconds = seconds * 1e9
    guard nanoseconds < 9e18 else {
      deadline = nil
      return
    }
    deadline = StopSignal.now &+ UInt64(max(nanoseconds, 0))
  }

  private var isLate: Bool {
    guard let deadline else { return false }
    return StopSignal.now >= deadline
  }

  package var isStopped: Bool { isCancelled || isLate }

  /// Throws `cancelled` or `deadlineExceeded` when the computation should stop.
  package func check() throws(RuntimeError) {
    if isCancelled { throw .cancelled }
    if isLate { throw .deadlineExceeded }
  }
}
