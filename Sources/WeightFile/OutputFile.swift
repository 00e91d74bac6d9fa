// SPDX-License-Identifier: Apache-2.0
import Shims

/// A file written under a temporary name beside its own and renamed when it is complete, so that nobody sees an incomplete file and a process that
/// has the old one mapped keeps it. Removed by `discard`, or if it is dropped before `commit`.
///
/// Symbolic links are followed and stay. A FIFO, a character device or a standard stream (`/dev/stdout`, `/dev/fd/N`) is never
/// replaced: it is opened at once and gets the whole content on `commit`. Folders, block devices and sockets are refused.
package final class OutputFile {
  package let path: String
  /// Where the content is until `commit`; without a name if it goes to a stream.
  private let temporaryPath: String
  private let descriptor: Int32
  private let destination: Destination
  /// Whether the temporary name still exists.
  private var isTemporary = true

  package init(path: String) throws(WeightFileError) {
    self.path = path
    destination = try Destination(path)
    let place: String
    switch destination {
    case .file(let target): place = target
    case .stream:
      let folder = getenv("TMPDIR").map { String(cString: $0) } ?? ""
      place = (folder.isEmpty ? "/tmp" : folder) + "/fovea"
    }
    var attempt = 0
    while true {
      let candidate = "\(place).\(getpid()).\(attempt).partial"
      let fd = shims_open(candidate, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if fd >= 0 {
        temporaryPath = candidate
        descriptor = fd
        if case .stream = destination { discard() }
        return
      }
      let code = shims_errno()
      attempt += 1
      if code != EEXIST || attempt == 100 {
        if case .stream(let stream) = destination { close(stream) }
        throw .system(file: path, operation: "create", code: code)
      }
    }
  }

  deinit {
    discard()
    close(descriptor)
    if case .stream(let stream) = destination { close(stream) }
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

  /// Makes the file durable and gives it its name, or sends the content to its stream.
  package func commit() throws(WeightFileError) {
    switch destination {
    case .file(let target): try rename(to: target)
    case .stream(let stream): try copy(to: stream)
    }
  }

  private func copy(to stream: Int32) throws(WeightFileError) {
    let capacity = 1 << 20
    guard let buffer = OwnedBytes(capacity) else { throw .outOfMemory(file: path, bytes: capacity) }
    var offset = 0
    while true {
      let count = pread(descriptor, buffer.base, capacity, offset)
      if count == 0 { return }
      guard count > 0 else {
        if shims_errno() == EINTR { continue }
        throw .system(file: path, operation: "read", code: shims_errno())
      }
      var done = 0
      while done < count {
        let n = Shims.write(stream, buffer.base + done, count - done)
        if n > 0 { done += n; continue }
        let code = n == 0 ? ENOSPC : shims_errno()
        if code != EINTR { throw .system(file: path, operation: "write", code: code) }
      }
      offset += count
    }
  }

  private func rename(to target: String) throws(WeightFileError) {
    guard fsync(descriptor) == 0 else { throw .system(file: path, operation: "sync", code: shims_errno()) }
    // Writing has filled the page cache with small pages; once dropped, the file is mapped with huge ones, see `ByteSource`.
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    guard Shims.rename(temporaryPath, target) == 0 else { throw .system(file: path, operation: "rename", code: shims_errno()) }
    isTemporary = false
    // The new name is durable once the folder is synced; a failure is ignored, since some file systems cannot sync folders.
    let folder = shims_open(folder(of: target), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }
}

/// What a path given for output names.
private enum Destination {
  /// A regular file, or none yet; links are followed.
  case file(String)
  /// A descriptor open for writing; the owner of the value closes it.
  case stream(Int32)

  init(_ path: String) throws(WeightFileError) {
    func failure(_ code: Int32) -> WeightFileError { .system(file: path, operation: "create", code: code) }
    var name = path
    for _ in 0..<40 {
      // By number: opening such a name would write at the beginning of a redirected file.
      if let number = streamNumber(name) {
        let stream = dup(number)
        guard stream >= 0 else { throw failure(shims_errno()) }
        self = .stream(stream)
        return
      }
      var facts = stat()
      guard lstat(name, &facts) == 0 else {
        guard shims_errno() == ENOENT else { throw failure(shims_errno()) }
        self = .file(name)
        return
      }
      switch facts.st_mode & mode_t(S_IFMT) {
      case mode_t(S_IFREG):
        self = .file(name)
        return
      case mode_t(S_IFLNK):
        guard let link = linkTarget(name) else { throw failure(shims_errno()) }
        name = link.utf8.first == UInt8(ascii: "/") ? link : folder(of: name) + "/" + link
      case mode_t(S_IFIFO), mode_t(S_IFCHR):
        let stream = shims_open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY, 0)
        guard stream >= 0 else { throw failure(shims_errno()) }
        self = .stream(stream)
        return
      case mode_t(S_IFDIR): throw failure(EISDIR)
      default: throw failure(EOPNOTSUPP)
      }
    }
    throw failure(ELOOP)
  }
}

/// The descriptor that a name such as /dev/stdout or /dev/fd/3 stands for.
private func streamNumber(_ name: String) -> Int32? {
  for (known, number) in [("/dev/stdout", 1), ("/dev/stderr", 2)] as [(StaticString, Int32)]
  where known.withUTF8Buffer({ name.utf8.elementsEqual($0) }) { return number }
  for folder in ["/dev/fd/", "/proc/self/fd/"] as [StaticString] where folder.withUTF8Buffer({ name.utf8.starts(with: $0) }) {
    return Int32(String(decoding: name.utf8.dropFirst(folder.utf8CodeUnitCount), as: UTF8.self))
  }
  return nil
}

private func linkTarget(_ name: String) -> String? {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX) + 1) { buffer -> String? in
    guard let base = buffer.baseAddress else { return nil }
    let count = readlink(name, base, buffer.count - 1)
    guard count > 0 else { return nil }
    base[count] = 0
    return String(cString: base)
  }
}

private func folder(of path: String) -> String {
  let utf8 = path.utf8
  guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
  return slash == utf8.startIndex ? "/" : String(decoding: utf8[..<slash], as: UTF8.self)
}
