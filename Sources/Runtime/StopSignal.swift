// SPDX-License-Identifier: Apache-2.0
import Shims

/// Tells a running computation to stop: by `cancel()` from any thread, when a deadline passes, or when the system has refused memory since the call
/// began. Checked between layers and inside loops (`StoppablePool`).
package final class StopSignal: @unchecked Sendable {
  private let flag = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  private let end = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
  /// `memory_shortages` before the call.
  private let shortages = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)

  package init() {
    flag.initialize(to: 0)
    end.initialize(to: 0)
    shortages.initialize(to: memory_shortages_before_call())
  }

  deinit {
    flag.deallocate()
    end.deallocate()
    shortages.deallocate()
  }

  /// Asks the computation to stop. Any thread, lock-free.
  package func cancel() { atomic_store32(flag, 1) }

  /// Clears the cancellation, the deadline and the count of refused memory, for a new call.
  package func reset() {
    atomic_store32(shortages, memory_shortages_before_call())
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

  /// Sets the deadline `seconds` from now; negative: now. NaN, ∞ or beyond the clock: no deadline.
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

  private var isShort: Bool { memory_shortages() != atomic_load32(shortages) }

  package var isStopped: Bool { isCancelled || isLate || isShort }

  /// Why a computation stopped that found `isStopped`.
  package var reason: RuntimeError { isShort ? .outOfMemory(bytes: 0) : isCancelled ? .cancelled : .deadlineExceeded }

  /// Throws `outOfMemory`, `cancelled` or `deadlineExceeded` when the computation should stop.
  package func check() throws(RuntimeError) {
    if isStopped { throw reason }
  }
}

/// Throws when the system has no memory for such an array. Call it before making an array whose size a caller decides.
package func requireRoom(_ count: Int, of bytesEach: Int = 1) throws(RuntimeError) {
  let (bytes, overflow) = count.multipliedReportingOverflow(by: bytesEach)
  guard !overflow, bytes >= 0, memory_has_room(bytes) else { throw .outOfMemory(bytes: overflow ? .max : bytes) }
}

/// Throws when the system has refused memory since this thread's call began.
package func requireMemory() throws(RuntimeError) {
  if memory_shortages() != memory_shortages_before_call() { throw .outOfMemory(bytes: 0) }
}
