// SPDX-License-Identifier: Apache-2.0
import Shims
import Synchronization

/// Lets one caller in at a time. While a call is inside, others are turned away instead of being made to wait; a look, which takes no
/// longer than it takes to copy what a call has left, is waited for.
package final class Gate: Sendable {
  package enum Access: UInt8 { case call = 1, look }

  /// 0: nobody; else the `Access` that is inside.
  private let inside = Atomic<UInt8>(0)

  /// False while a call is inside.
  func enter(_ access: Access) -> Bool {
    while true {
      let (entered, found) = inside.compareExchange(expected: 0, desired: access.rawValue, ordering: .acquiring)
      if entered { return true }
      if found == Access.call.rawValue { return false }
      sched_yield()
    }
  }

  func leave() { inside.store(0, ordering: .releasing) }
}
