// SPDX-License-Identifier: Apache-2.0
import Shims

/// Memory that says no instead of ending the process, and frees itself.
final class OwnedBytes {
  let base: UnsafeMutableRawPointer
  let count: Int

  /// `count` uninitialised bytes (one even for 0); nil when there is no memory.
  init?(_ count: Int) {
    guard count >= 0, let memory = block_allocate(max(count, 1)) else { return nil }
    base = memory
    self.count = count
  }

  deinit { block_free(base) }
}
