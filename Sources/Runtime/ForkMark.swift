// SPDX-License-Identifier: Apache-2.0
import Shims

/// Tells whether this process was forked from the one that made the mark. Costs one load: a page that the system wipes in a child.
package final class ForkMark: @unchecked Sendable {
  private let page: UnsafeMutablePointer<UInt32>?
  private let process = getpid()

  package init() {
    let size = page_size()
    guard let memory = pages_map(size, false) else {
      page = nil
      return
    }
    guard pages_wipe_on_fork(memory, size) else {
      pages_unmap(memory, size)
      page = nil
      return
    }
    let word = memory.bindMemory(to: UInt32.self, capacity: 1)
    word.pointee = 1
    page = word
  }

  deinit {
    if let page { pages_unmap(page, page_size()) }
  }

  package var isChild: Bool {
    guard let page else { return getpid() != process }
    return atomic_load32(page) == 0
  }
}
