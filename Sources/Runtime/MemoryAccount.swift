// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Who holds how much of a limited number of bytes. Any number of threads may ask.
package final class MemoryAccount: Sendable {
  /// Bytes that may be held together.
  package let limit: Int
  private let taken = Atomic<Int>(0)

  package init(limit: Int) { self.limit = max(limit, 0) }

  /// Bytes that nobody holds.
  package var left: Int { limit &- taken.load(ordering: .sequentiallyConsistent) }

  /// A hold on so many bytes, until it is given up; nil where they are not left.
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

/// Bytes of an account that somebody holds: given back with this object. One thread at a time.
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
