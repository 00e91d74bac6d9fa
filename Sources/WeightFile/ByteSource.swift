// SPDX-License-Identifier: Apache-2.0
import Shims

/// The bytes of a weight file: a read-only mapping of a file that stays open, or memory.
///
/// A file is read through `read(at:count:into:)` wherever a copy is wanted anyway (header, tables, compressed frames): a file that
/// shrinks or a disk that fails is an error there. Only `base`, used for in-place tensors, is a mapping, and touching it then is SIGBUS.
final class ByteSource {
  let name: String
  /// The first byte; aligned to 64.
  let base: UnsafeRawPointer
  let count: Int
  /// The open file; −1 for memory.
  private let descriptor: Int32
  /// Whether `base` is a mapping to remove in deinit.
  private let isMapped: Bool

  /// - Parameter name: the path, any bytes but NUL.
  init(path name: UnsafePointer<CChar>) throws(WeightFileError) {
    let path = String(cString: name)
    let fd = shims_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard fd >= 0 else { throw .system(file: path, operation: "open", code: shims_errno()) }
    do throws(WeightFileError) {
      var info = stat()
      guard fstat(fd, &info) == 0 else { throw .system(file: path, operation: "read", code: shims_errno()) }
      guard info.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else { throw .notRegularFile(file: path) }
      guard let size = Int(exactly: info.st_size), size >= Format.headerSize else { throw tooShort(fd, Int(clamping: info.st_size), path) }
      base = try map(size, MAP_SHARED, fd, path)
      // Where the file is not in memory yet, it comes in large pages if the system has such: weights are then read a quarter faster.
      pages_advise_huge(UnsafeMutableRawPointer(mutating: base), size, true)
      count = size
    } catch {
      close(fd)
      throw error
    }
    self.name = path
    descriptor = fd
    isMapped = true
  }

  /// Borrows `bytes` (they must stay, unchanged, as long as this object) or takes a copy; a copy is also taken when they do not
  /// start at a multiple of 64.
  init(bytes: UnsafeRawBufferPointer, copy: Bool, name: String) throws(WeightFileError) {
    guard let start = bytes.baseAddress, bytes.count >= Format.headerSize else {
      throw .truncated(file: name, expected: Format.headerSize, found: bytes.count)
    }
    if copy || Int(bitPattern: start) % Format.alignment != 0 {
      let memory = try map(bytes.count, MAP_PRIVATE | MAP_ANONYMOUS, -1, name)
      UnsafeMutableRawPointer(mutating: memory).copyMemory(from: start, byteCount: bytes.count)
      mprotect(UnsafeMutableRawPointer(mutating: memory), bytes.count, PROT_READ)
      base = memory
      isMapped = true
    } else {
      base = start
      isMapped = false
    }
    self.name = name
    count = bytes.count
    descriptor = -1
  }

  deinit {
    if isMapped { munmap(UnsafeMutableRawPointer(mutating: base), count) }
    if descriptor >= 0 { close(descriptor) }
  }

  /// Copies `count` bytes from `offset`, which the caller has checked against `self.count`. Any thread.
  func read(at offset: Int, count: Int, into memory: UnsafeMutableRawPointer) throws(WeightFileError) {
    assert(offset >= 0 && count >= 0 && offset + count <= self.count)
    guard descriptor >= 0 else { return memory.copyMemory(from: base + offset, byteCount: count) }
    try readFully(descriptor, at: offset, count: count, into: memory, name: name)
  }

  /// Asks the kernel to have, or to forget, the pages of some bytes. A hint: it cannot fail.
  func advise(offset: Int, count: Int, isNeeded: Bool) {
    guard descriptor >= 0, count > 0 else { return }
    if isNeeded {
      posix_fadvise(descriptor, offset, count, POSIX_FADV_WILLNEED)
    } else {
      // Whole pages inside the range only: a neighbour may share the first and the last.
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      let start = (offset + page - 1) / page * page
      let end = (offset + count) / page * page
      guard start < end else { return }
      madvise(UnsafeMutableRawPointer(mutating: base + start), end - start, MADV_DONTNEED)
      posix_fadvise(descriptor, start, end - start, POSIX_FADV_DONTNEED)
    }
  }
}

/// The error for a file shorter than a header: what it is by its bytes, else that it is truncated.
private func tooShort(_ fd: Int32, _ size: Int, _ name: String) -> WeightFileError {
  guard size > 0, let bytes = OwnedBytes(size) else { return .truncated(file: name, expected: Format.headerSize, found: size) }
  do throws(WeightFileError) { try readFully(fd, at: 0, count: size, into: bytes.base, name: name) } catch { return error }
  guard let found = foreignFileKind(UnsafeRawBufferPointer(start: bytes.base, count: size)) else {
    return .truncated(file: name, expected: Format.headerSize, found: size)
  }
  return .wrongMagic(file: name, found: found)
}

/// pread until `count` bytes are there.
func readFully(_ fd: Int32, at offset: Int, count: Int, into memory: UnsafeMutableRawPointer, name: String) throws(WeightFileError) {
  var done = 0
  while done < count {
    let n = pread(fd, memory + done, count - done, offset + done)
    if n > 0 { done += n; continue }
    if n == 0 {
      var info = stat()
      throw .truncated(file: name, expected: offset + count, found: fstat(fd, &info) == 0 ? Int(info.st_size) : offset + done)
    }
    let code = shims_errno()
    if code != EINTR { throw .system(file: name, operation: "read", code: code) }
  }
}

private func map(_ count: Int, _ flags: Int32, _ fd: Int32, _ name: String) throws(WeightFileError) -> UnsafeRawPointer {
  let protection = fd >= 0 ? PROT_READ : PROT_READ | PROT_WRITE
  guard let memory = mmap(nil, count, protection, flags, fd, 0), Int(bitPattern: memory) != -1 else {
    let code = shims_errno()
    throw code == ENOMEM ? .outOfMemory(file: name, bytes: count) : .system(file: name, operation: "map", code: code)
  }
  return UnsafeRawPointer(memory)
}
