// SPDX-License-Identifier: Apache-2.0
import Shims
import Synchronization

/// Lets one caller in at a time. While a call is inside, others are turned away instead of being made to wait; a look, which takes no
/// longer than it takes to copy what a call has left, is waited for.
package final class Gate: Sendable {
  package enum Access { case call, look }

  /// What `enter` decided.
  enum Entry {
    case entered, busy
    /// The process was forked during a call, and the thread that would leave is not in this process.
    case abandoned
  }

  /// 0: nobody; else the process whose call is inside, or less its number for a look.
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
