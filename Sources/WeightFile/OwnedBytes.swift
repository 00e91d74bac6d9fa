// SPDX-License-Identifier: Apache-2.0
import Shims

/// Memory whose allocation may fail instead of ending the process; freed with the object.
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
