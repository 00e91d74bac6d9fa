// SPDX-License-Identifier: Apache-2.0

import Shims

/// A whole file in memory. Read rather than mapped: a mapped file that another process shortens kills the reader.
final class FileBytes {
  let bytes: UnsafeRawBufferPointer
  private let memory: UnsafeMutableRawPointer

  static let maximumBytes = 1 << 30
  /// Bytes that are read at a time.
  private static let piece = 4 << 20

  /// - Parameter room: bytes the file may have at most; nil: any number up to the limit.
  init(path name: UnsafePointer<CChar>, room: Int?, isStopped: () -> Bool) throws(ImageError) {
    let path = String(cString: name)
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    let file = shims_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard file >= 0 else { throw .cannotRead(source: path, code: shims_errno()) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw .cannotRead(source: path, code: shims_errno()) }
    guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else { throw .notAFile(source: path) }
    let size = Int(status.st_size)
    guard size <= FileBytes.maximumBytes else {
      throw .fileTooLarge(source: path, bytes: size, limit: FileBytes.maximumBytes)
    }
    if let room, size > room {
      throw .overBudget(source: path, width: 0, height: 0, bytes: size, room: room)
    }
    guard let memory = block_allocate(max(1, size)) else { throw .outOfMemory(source: path, bytes: size) }
    var filled = 0
    while filled < size {
      if isStopped() {
        block_free(memory)
        throw .stopped
      }
      let count = read(file, memory + filled, min(size - filled, FileBytes.piece))
      if count < 0 && shims_errno() == EINTR { continue }
      if count < 0 {
        let code = shims_errno()
        block_free(memory)
        throw .cannotRead(source: path, code: code)
      }
      if count == 0 { break }
      filled += count
    }
    self.memory = memory
    bytes = UnsafeRawBufferPointer(start: memory, count: filled)
  }

  deinit { block_free(memory) }
}
