// SPDX-License-Identifier: Apache-2.0
import Shims

/// A mutex and a condition variable on the monotonic clock.
package final class Monitor: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  package init() {
    pthread_mutex_init(mutex, nil)
    condition_init_monotonic(condition)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  package func lock() { pthread_mutex_lock(mutex) }
  package func unlock() { pthread_mutex_unlock(mutex) }

  package func locked<T>(_ body: () -> T) -> T {
    lock()
    defer { unlock() }
    return body()
  }

  /// Releases the lock and waits for `wakeAll` or until `end` (in `StopSignal.now`'s time); may return earlier. Has the lock again on return.
  package func wait(until end: UInt64) {
    var time = timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
    pthread_cond_timedwait(condition, mutex, &time)
  }

  package func wakeAll() { pthread_cond_broadcast(condition) }
}
