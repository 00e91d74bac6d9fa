// SPDX-License-Identifier: Apache-2.0
import Shims

/// A large block of memory, freed with its owner: mapped zeroed pages, or a host's block with any content.
package final class MemoryBlock: @unchecked Sendable {
  /// How the memory will be used.
  package enum Use {
    /// All of it, soon: huge pages make reading it cheaper.
    case whole
    /// All of it, several times.
    case scratch
    /// Little by little, here and there: a huge page for each place would take memory that is not used yet.
    case sparse
  }

  package let base: UnsafeMutableRawPointer
  /// At least 1.
  package let byteCount: Int
  private let host: HostMemory?

  /// - Throws: `outOfMemory`, or `misalignedBlock` of a host.
  package init(_ bytes: Int, _ use: Use, host: HostMemory? = nil) throws(RuntimeError) {
    guard bytes >= 0 else { throw .outOfMemory(bytes: bytes) }
    byteCount = max(bytes, 1)
    self.host = host
    if let host {
      guard let block = host.allocate(byteCount) else { throw .outOfMemory(bytes: bytes) }
      guard Int(bitPattern: block) % HostMemory.alignment == 0 else {
        host.deallocate(block, byteCount)
        throw .misalignedBlock
      }
      base = block
      return
    }
    guard let pages = pages_map(byteCount, use == .sparse) else { throw .outOfMemory(bytes: bytes) }
    base = pages
    switch use {
    case .whole: if byteCount >= 32 << 20 { pages_advise_huge(base, byteCount, true) }
    case .scratch: break
    case .sparse: pages_advise_huge(base, byteCount, false)
    }
  }

  deinit {
    if let host { host.deallocate(base, byteCount) } else { pages_unmap(base, byteCount) }
  }

  /// Whether the memory was zeroed to begin with.
  var isZeroed: Bool { host == nil }

  /// Gives the memory back from the first whole page after `offset` on; it may be written again. A host's block stays as it is.
  func forget(from offset: Int = 0) {
    let page = Int(page_size())
    let start = (offset + page - 1) & -page
    if host == nil, start < byteCount { pages_forget(base + start, byteCount - start) }
  }
}
