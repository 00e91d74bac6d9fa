// SPDX-License-Identifier: Apache-2.0
import Shims

/// A file written under a temporary name beside its own and renamed when it is complete, so that nobody sees a part of it and
/// whoever has the old file mapped keeps it. Removed by `discard`, or if it is dropped before `commit`.
package final class OutputFile {
  package let path: String
  private let temporaryPath: String
  private let descriptor: Int32
  /// Whether the temporary name is still there.
  private var isTemporary = true

  package init(path: String) throws(WeightFileError) {
    self.path = path
    var attempt = 0
    while true {
      let candidate = "\(path).\(getpid()).\(attempt).partial"
      let fd = shims_open(candidate, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if fd >= 0 {
        temporaryPath = candidate
        descriptor = fd
        return
      }
      let code = shims_errno()
      attempt += 1
      if code != EEXIST || attempt == 100 { throw .system(file: path, operation: "create", code: code) }
    }
  }

  deinit {
    discard()
    close(descriptor)
  }

  /// Removes what has been written so far.
  func discard() {
    if isTemporary { unlink(temporaryPath) }
    isTemporary = false
  }

  package func write(_ bytes: UnsafeRawPointer, count: Int, at offset: Int) throws(WeightFileError) {
    var done = 0
    while done < count {
      let n = pwrite(descriptor, bytes + done, count - done, offset + done)
      if n > 0 { done += n; continue }
      let code = n == 0 ? ENOSPC : shims_errno()
      if code != EINTR { throw .system(file: path, operation: "write", code: code) }
    }
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws(WeightFileError) {
    var failure: WeightFileError?
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      do throws(WeightFileError) { try write(base, count: buffer.count, at: offset) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Reads back what was written.
  func read(at offset: Int, count: Int, into memory: UnsafeMutableRawPointer) throws(WeightFileError) {
    try readFully(descriptor, at: offset, count: count, into: memory, name: path)
  }

  /// Makes the file durable and gives it its name.
  package func commit() throws(WeightFileError) {
    guard fsync(descriptor) == 0 else { throw .system(file: path, operation: "sync", code: shims_errno()) }
    // Written piece by piece, the file lies in memory in small pages; whoever maps it next is to get it in large ones, see `ByteSource`.
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    guard rename(temporaryPath, path) == 0 else { throw .system(file: path, operation: "rename", code: shims_errno()) }
    isTemporary = false
    // The new name itself is durable once the folder is; a file system that cannot sync a folder has lost nothing by our asking.
    let folder = shims_open(OutputFile.folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  private static func folder(of path: String) -> String {
    let utf8 = path.utf8
    guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == utf8.startIndex ? "/" : String(decoding: utf8[..<slash], as: UTF8.self)
  }
}
