// SPDX-License-Identifier: Apache-2.0

/// Memory that a host brings for large blocks. Its functions may be called on any thread, several at a time.
package struct HostMemory: Sendable {
  /// What a block's address is a multiple of.
  package static let alignment = 64

  let allocate: @Sendable (_ bytes: Int) -> UnsafeMutableRawPointer?
  let deallocate: @Sendable (_ block: UnsafeMutableRawPointer, _ bytes: Int) -> Void

  /// - Parameters:
  ///   - allocate: a block of at least so many bytes with any content, or nil where there is none.
  ///   - deallocate: takes back a block, with the size that was asked for.
  package init(
    allocate: @escaping @Sendable (_ bytes: Int) -> UnsafeMutableRawPointer?,
    deallocate: @escaping @Sendable (_ block: UnsafeMutableRawPointer, _ bytes: Int) -> Void
  ) {
    self.allocate = allocate
    self.deallocate = deallocate
  }
}
