// SPDX-License-Identifier: Apache-2.0
import Shims

/// Mapped zeroed memory, unmapped with its owner.
final class PageBlock: @unchecked Sendable {
  /// How the memory will be used.
  enum Use {
    /// All of it, soon: huge pages make reading it cheaper.
    case whole
    /// Little by little, here and there: a huge page for each place would take memory that is not used yet.
    case sparse
  }

  let base: UnsafeMutableRawPointer
  let byteCount: Int

  init(_ byteCount: Int, _ use: Use) throws(RuntimeError) {
    guard byteCount >= 0, let base = pages_map(max(byteCount, 1), use == .sparse) else { throw .outOfMemory(bytes: byteCount) }
    self.base = base
    self.byteCount = max(byteCount, 1)
    switch use {
    case .whole: if byteCount >= 32 << 20 { pages_advise_huge(base, byteCount, true) }
    case .sparse: pages_advise_huge(base, self.byteCount, false)
    }
  }

  deinit { pages_unmap(base, byteCount) }
}
