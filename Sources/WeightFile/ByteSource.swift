// SPDX-License-Identifier: Apache-2.0
import Shims

/// The bytes of a weight file: a file that stays open, mapped read-only or not, or memory.
///
/// A file is read through `read(at:count:into:)` wherever a copy is wanted anyway (header, tables, compressed frames): a file that
/// shrinks or a disk that fails is an error there. Only `inPlace` may be a mapping, and touching one then is SIGBUS.
final class ByteSource {
  let name: String
  let count: Int
  /// The first byte, aligned to 64, for tensors that are used in place; nil: they have to be read.
  let inPlace: UnsafeRawPointer?
  /// The open file; −1 for memory.
  private let descriptor: Int32
  /// The bytes in memory; nil for a file that is not mapped.
  private let memory: UnsafeRawPointer?
  /// Whether `memory` is a mapping to remove in deinit.
  private let isMapped: Bool

  /// - Parameters:
  ///   - name: the path, any bytes but NUL.
  ///   - maps: false: the file is only read, never mapped.
  init(path name: UnsafePointer<CChar>, maps: Bool) throws(WeightFileError) {
    let path = String(cString: name)
    let fd = shims_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
    guard fd >= 0 else { throw .system(file: path, operation: "open", code: shims_errno()) }
    do throws(WeightFileError) {
      var info = stat()
      guard fstat(fd, &info) == 0 else { throw .system(file: path, operation: "read", code: shims_errno()) }
      let kind = info.st_mode & mode_t(S_IFMT)
      guard kind == mode_t(S_IFREG) else { throw .notRegularFile(file: path, isFolder: kind == mode_t(S_IFDIR)) }
      guard let size = Int(exactly: info.st_size), size >= Format.headerSize else { throw tooShort(fd, Int(clamping: info.st_size), path) }
      memory = maps ? try map(size, MAP_SHARED, fd, path) : nil
      count = size
    } catch {
      close(fd)
      throw error
    }
    // A file that is not in the page cache yet is then read into huge pages, where the file system has them: weights are read a quarter faster.
    if let memory { pages_advise_huge(UnsafeMutableRawPointer(mutating: memory), count, true) }
    inPlace = memory
    self.name = path
    descriptor = fd
    isMapped = maps
  }

  /// Borrows `bytes` (they must stay, unchanged, as long as this object) or takes a copy.
  init(bytes: UnsafeRawBufferPointer, copy: Bool, inPlace: Bool, name: String) throws(WeightFileError) {
    guard let start = bytes.baseAddress, bytes.count >= Format.headerSize else {
      throw .truncated(file: name, expected: Format.headerSize, found: bytes.count)
    }
    var place = start
    if copy {
      place = try map(bytes.count, MAP_PRIVATE | MAP_ANONYMOUS, -1, name)
      UnsafeMutableRawPointer(mutating: place).copyMemory(from: start, byteCount: bytes.count)
      mprotect(UnsafeMutableRawPointer(mutating: place), bytes.count, PROT_READ)
    }
    memory = place
    self.inPlace = inPlace && Int(bitPattern: place) % Format.alignment == 0 ? place : nil
    isMapped = copy
    self.name = name
    count = bytes.count
    descriptor = -1
  }

  deinit {
    if isMapped, let memory { munmap(UnsafeMutableRawPointer(mutating: memory), count) }
    if descriptor >= 0 { close(descriptor) }
  }

  /// Whether the bytes are a mapping of a file, made here.
  var isMappedFile: Bool { isMapped && descriptor >= 0 }

  func forgetPages() {
    if isMappedFile, let memory { pages_forget(UnsafeMutableRawPointer(mutating: memory), count) }
  }

  /// The same for `count` bytes at `data`, rounded to 2 MiB: the system may have mapped huge pages around them.
  func forgetPages(_ data: UnsafeRawPointer, _ count: Int) {
    if let range = pages(data, count, unit: 2 << 20) { pages_forget(range.base, range.count) }
  }

  /// Asks for small pages in the mapping around some bytes, so that a page fault loads less.
  func adviseSmallPages(_ data: UnsafeRawPointer, _ count: Int) {
    if let range = pages(data, count, unit: 4096) { pages_advise_huge(range.base, range.count, false) }
  }

  /// Requests read-ahead of bytes that will be used in place, unless they are in the page cache.
  func readAhead(_ data: UnsafeRawPointer, _ count: Int) {
    guard let range = pages(data, count, unit: 4096) else { return }
    let page = Int(page_size())
    if page_is_cached(range.base), page_is_cached(range.base + (range.count - 1) / page / 2 * page),
      page_is_cached(range.base + (range.count - 1) / page * page)
    {
      return
    }
    pages_will_need(range.base, range.count)
  }

  /// The same for bytes that will be read.
  func readAhead(at offset: Int, count: Int) {
    if descriptor >= 0 { posix_fadvise(descriptor, offset, count, POSIX_FADV_WILLNEED) }
  }

  /// Tells the system that bytes may leave the page cache.
  func leaveCache(at offset: Int, count: Int) {
    if descriptor >= 0 { posix_fadvise(descriptor, offset, count, POSIX_FADV_DONTNEED) }
  }

  /// The same of bytes in the mapping.
  func leaveCache(_ data: UnsafeRawPointer, _ count: Int) {
    if let memory { leaveCache(at: data - memory, count: count) }
  }

  /// The pages around bytes of the mapping, from one multiple of `unit` to another, as far as the mapping goes.
  private func pages(_ data: UnsafeRawPointer, _ count: Int, unit: Int) -> (base: UnsafeMutableRawPointer, count: Int)? {
    guard isMappedFile, let memory, data >= memory, data + count <= memory + self.count else { return nil }
    let (start, unit) = (UInt(bitPattern: memory), UInt(max(unit, Int(page_size()))))
    let first = max(UInt(bitPattern: data) & ~(unit - 1), start)
    let end = min((UInt(bitPattern: data + count) + unit - 1) & ~(unit - 1), start + UInt(self.count))
    return UnsafeMutableRawPointer(bitPattern: first).map { ($0, Int(end - first)) }
  }

  /// Copies `count` bytes from `offset`, which the caller has checked against `self.count`. Any thread.
  func read(at offset: Int, count: Int, into memory: UnsafeMutableRawPointer) throws(WeightFileError) {
    assert(offset >= 0 && count >= 0 && offset + count <= self.count)
    if descriptor >= 0 { return try readFully(descriptor, at: offset, count: count, into: memory, name: name) }
    if let source = self.memory { memory.copyMemory(from: source + offset, byteCount: count) }
  }
}

/// The error for a file shorter than a header: what it is by its bytes, else that it is truncated.
private func tooShort(_ fd: Int32, _ size: Int, _ name: String) -> WeightFileError {
  guard size > 0, let bytes = OwnedBytes(size) else { return .truncated(file: name, expected: Format.headerSize, found: size) }
  do throws(WeightFileError) { try readFully(fd, at: 0, count: size, into: bytes.base, name: name) } catch { return error }
  guard let found = ForeignFile(UnsafeRawBufferPointer(start: bytes.base, count: size))?.insteadOfWeightFile else {
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
