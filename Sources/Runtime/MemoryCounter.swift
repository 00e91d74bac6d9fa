// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// How many bytes of a kind are held. Any number of threads may count.
package final class MemoryCounter: Sendable {
  private let count = Atomic<Int>(0)

  package init() {}

  package var bytes: Int { count.load(ordering: .relaxed) }

  /// - Parameter bytes: negative where they were given back.
  package func add(_ bytes: Int) { count.add(bytes, ordering: .relaxed) }
}

/// Bytes that are counted for as long as this object lives.
package final class CountedMemory: Sendable {
  private let counter: MemoryCounter
  private let bytes: Int

  package init(_ counter: MemoryCounter, _ bytes: Int) {
    (self.counter, self.bytes) = (counter, bytes)
    counter.add(bytes)
  }

  deinit { counter.add(-bytes) }
}
