// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Numbers that differ from each other for the life of a model, from any thread.
final class IdentitySource: Sendable {
  private let last = Atomic<UInt64>(0)

  func next() -> UInt64 { last.add(1, ordering: .relaxed).newValue }
}
