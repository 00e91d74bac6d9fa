// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets one caller in at a time and turns others away instead of making them wait.
final class Gate: Sendable {
  private let taken = Atomic<Bool>(false)

  func enter() -> Bool { !taken.exchange(true, ordering: .acquiring) }
  func leave() { taken.store(false, ordering: .releasing) }
}
