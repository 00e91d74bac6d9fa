// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// A file mapped read-only; pages are loaded on access. It is unmapped in `deinit`: pointers into it are valid only while the object is
/// retained, so they are used inside `withBytes` or by an owner of the object.
package final class MappedFile: @unchecked Sendable {
  package let path: String
  let bytes: UnsafeRawBufferPointer

  /// - Throws: `.cannotRead` when it is not a readable regular file.
  package init(path: String) throws {
    self.path = path
    // Opening a pipe would block without O_NONBLOCK.
    let descriptor = shims_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard descriptor >= 0 else { throw Self.failure(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.failure(path) }
    guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else {
      throw ConversionError.cannotRead(path: path, reason: "not a regular file")
    }
    let size = Int(status.st_size)
    if size == 0 {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), Int(bitPattern: base) != -1 else {
      throw Self.failure(path)
    }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
    if let kind = ForeignFile(bytes), kind.isUnfetched {
      throw ConversionError.cannotRead(path: path, reason: kind.insteadOfCheckpoint.description)
    }
  }

  /// The error for `errno`.
  package static func failure(_ path: String) -> ConversionError {
    let code = shims_errno()
    return .cannotRead(path: path, reason: code == ENOENT ? "no such file or folder" : String(cString: strerror(code)))
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }

  /// File name without its folders, for messages.
  package var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withExtendedLifetime(self) { try body(bytes) }
  }

  /// The bytes `[offset, offset + count)`, or nil when they are not all inside the file.
  func slice(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer? {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else { return nil }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }

  /// Little-endian integer at `offset`, or nil past the end.
  func integer<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T? {
    slice(offset, MemoryLayout<T>.size).map { T(littleEndian: $0.loadUnaligned(as: T.self)) }
  }

  /// Releases the pages of `[offset, offset + count)`: they stay in the page cache but no longer count as this process's memory.
  func release(_ offset: Int, _ count: Int) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    guard let part = slice(offset, count), let base = bytes.baseAddress, page > 0 else { return }
    let start = (offset + page - 1) / page * page
    let end = (offset + part.count) / page * page
    guard end > start else { return }
    madvise(UnsafeMutableRawPointer(mutating: base + start), end - start, MADV_DONTNEED)
  }
}
