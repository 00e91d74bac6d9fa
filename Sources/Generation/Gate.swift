// SPDX-License-Identifier: Apache-2.0
import Shims
import Synchronization

/// Admits one caller at a time. A call rejects other callers instead of making them wait. A look only copies a finished call's results,
/// so the next caller waits for it.
package final class Gate: Sendable {
  /// A call, or a short read of what the last one left.
  package enum Access { case call, look }

  /// What `enter` decided.
  enum Entry {
    case entered, busy
    /// The process was forked during a call, and the calling thread does not exist in this process.
    case abandoned
  }

  /// 0: nobody; else the process id of a call, or the negated one for a look.
  private let inside = Atomic<Int32>(0)

  func enter(_ access: Access) -> Entry {
    let me = getpid()
    while true {
      let (entered, found) = inside.compareExchange(expected: 0, desired: access == .call ? me : -me, ordering: .acquiring)
      if entered { return .entered }
      if found == me { return .busy }
      if found != -me { return .abandoned }
      sched_yield()
    }
  }

  func leave() { inside.store(0, ordering: .releasing) }
}
