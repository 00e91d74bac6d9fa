// SPDX-License-Identifier: Apache-2.0
import Shims

/// A file that is read as a whole.
package final class WholeFile {
  /// Bytes it had when it was opened.
  package let size: Int
  private let name: String
  private let descriptor: Int32
  private var memory: OwnedBytes?

  package init(path: UnsafePointer<CChar>) throws(WeightFileError) {
    let name = String(cString: path)
    let fd = shims_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard fd >= 0 else { throw .system(file: name, operation: "open", code: shims_errno()) }
    var info = stat()
    guard fstat(fd, &info) == 0 else {
      let code = shims_errno()
      close(fd)
      throw .system(file: name, operation: "read", code: code)
    }
    let kind = info.st_mode & mode_t(S_IFMT)
    guard kind == mode_t(S_IFREG) else {
      close(fd)
      throw .notRegularFile(file: name, isFolder: kind == mode_t(S_IFDIR))
    }
    self.name = name
    size = Int(clamping: info.st_size)
    descriptor = fd
  }

  deinit { close(descriptor) }

  /// Its `size` bytes, valid as long as this object.
  package func read() throws(WeightFileError) -> UnsafeRawBufferPointer {
    guard let memory = OwnedBytes(size) else { throw .outOfMemory(file: name, bytes: size) }
    try readFully(descriptor, at: 0, count: size, into: memory.base, name: name)
    self.memory = memory
    return UnsafeRawBufferPointer(start: memory.base, count: size)
  }
}
