// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A memory budget that several holders share. Thread-safe.
package final class MemoryAccount: Sendable {
  /// Bytes that may be held together.
  package let limit: Int
  private let taken = Atomic<Int>(0)

  package init(limit: Int) { self.limit = max(limit, 0) }

  /// Bytes that are not reserved.
  package var left: Int { limit &- taken.load(ordering: .sequentiallyConsistent) }

  /// Reserves bytes for as long as the holding lives; nil where fewer are left.
  package func hold(_ bytes: Int) -> MemoryHolding? {
    var now = taken.load(ordering: .sequentiallyConsistent)
    while bytes >= 0, bytes <= limit &- now {
      let (exchanged, original) = taken.compareExchange(
        expected: now, desired: now &+ bytes, ordering: .sequentiallyConsistent)
      if exchanged { return MemoryHolding(self, bytes) }
      now = original
    }
    return nil
  }

  fileprivate func giveBack(_ bytes: Int) { taken.subtract(bytes, ordering: .sequentiallyConsistent) }
}

/// A reservation in a memory budget, given back when this object is released. One thread at a time.
package final class MemoryHolding: @unchecked Sendable {
  private let account: MemoryAccount
  package private(set) var bytes: Int

  fileprivate init(_ account: MemoryAccount, _ bytes: Int) {
    self.account = account
    self.bytes = bytes
  }

  deinit { account.giveBack(bytes) }

  /// Gives back all but `count` bytes.
  package func shrink(to count: Int) {
    guard count >= 0, count < bytes else { return }
    account.giveBack(bytes - count)
    bytes = count
  }
}
