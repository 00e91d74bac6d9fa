// SPDX-License-Identifier: Apache-2.0
import Shims

/// A file that is read, not mapped: one that shrinks, or a disk that fails, is an error.
package final class InputFile {
  package let count: Int
  private let name: String
  private let descriptor: Int32

  /// - Parameter path: any bytes but NUL.
  package init(path: UnsafePointer<CChar>) throws(WeightFileError) {
    name = String(cString: path)
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    descriptor = shims_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard descriptor >= 0 else { throw .system(file: name, operation: "open", code: shims_errno()) }
    var info = stat()
    guard fstat(descriptor, &info) == 0 else {
      let code = shims_errno()
      close(descriptor)
      throw .system(file: name, operation: "read", code: code)
    }
    guard info.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else {
      close(descriptor)
      throw .notRegularFile(file: name, isFolder: false)
    }
    count = Int(clamping: info.st_size)
  }

  deinit { close(descriptor) }

  package func read(at offset: Int, count: Int, into memory: UnsafeMutableRawPointer) throws(WeightFileError) {
    try readFully(descriptor, at: offset, count: count, into: memory, name: name)
  }
}
