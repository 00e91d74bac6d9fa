// SPDX-License-Identifier: Apache-2.0
import CFovea
import CheckpointFiles
import Conversion
import Shims
import WeightFile

/// A file of records, one JSON object per line, appended as images are done. Interrupted work resumes where it stopped: an incomplete last
/// line is truncated. A run holds the file alone. What is not a regular file (a FIFO, a device, standard output) is only written to.
final class RecordFile {
  private let path: FilePath
  private let file: Int32
  /// Of each image's last record, by its `img_id`.
  private var records: [String: (line: Int, settings: JSONValue?, checksum: String?)] = [:]
  /// Whether an image has more than one.
  private var isDoubled = false
  /// What every record begins with.
  private static let beginning = Array("{\"img_id\":".utf8)

  init(path: FilePath) throws {
    self.path = path
    if path.text == "-" || path.text == "/dev/stdout" {
      file = dup(STDOUT_FILENO)
    } else {
      var facts = stat()
      let exists = stat(path.cString, &facts) == 0
      let isRegular = !exists || facts.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG)
      file = shims_open(path.cString, (isRegular ? O_RDWR | O_CREAT : O_WRONLY | O_NOCTTY) | O_APPEND | O_CLOEXEC, 0o666)
      guard file >= 0 else { throw failure(.cannotCreate, "cannot be opened for writing: \(String(cString: strerror(shims_errno())))") }
      if isRegular {
        guard Self.lock(file, at: path) else { throw failure(.cannotCreate, "another run is writing to it") }
        try readRecords()
      }
    }
    guard file >= 0 else { throw failure(.output, "cannot be written: \(String(cString: strerror(shims_errno())))") }
  }

  private func readRecords() throws {
    let bytes = try contents()
    let whole = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
    let lines = bytes[..<whole].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
    // Not a file of records: do not overwrite it.
    func foreign(_ number: Int) -> CommandFailure { failure(.noInput, "line \(number + 1) is not a record") }
    for (number, line) in lines.enumerated() {
      guard let record = try? JSONValue.parse(String(decoding: line, as: UTF8.self), file: path.description),
        let id = record["img_id"]?.string
      else { throw foreign(number) }
      if records[id] != nil { isDoubled = true }
      records[id] = (number + 1, record["settings"], record["checksum"]?.string)
    }
    guard zip(bytes[whole...], Self.beginning).allSatisfy({ $0 == $1 }) else { throw foreign(lines.count) }
    // Truncate only now that it is known to be a file of records.
    if whole < bytes.count, ftruncate(file, off_t(whole)) != 0 { throw failure(.output, "cannot be cut off") }
  }

  private func contents() throws(CommandFailure) -> [UInt8] {
    lseek(file, 0, SEEK_SET)
    guard let bytes = readAll(file) else { throw failure(.noInput, "cannot be read: \(String(cString: strerror(shims_errno())))") }
    return bytes
  }

  deinit { if file >= 0 { close(file) } }

  /// Whether there is a record of an image as it is now; one without a checksum, of earlier versions, is taken for that.
  /// - Throws: if it was made with other settings, since records of both must not be mixed.
  func isDone(_ picture: Picture, settings: JSON) throws(CommandFailure) -> Bool {
    let id = picture.name
    guard let record = records[id] else { return false }
    let wanted = (try? JSONValue.parse(settings.line, file: "")) ?? .null
    let different = wanted.firstDifference(from: record.settings ?? .null)
    // What cannot be read now is told when it is its turn.
    guard let different else { return record.checksum == nil || record.checksum == (try? picture.identity()) }
    throw CommandFailure(
      .usage, "\(path): line \(record.line), \(id), was made with other settings (\(different)): name another file with --output.")
  }

  func append(_ record: JSON, id: String) throws(CommandFailure) {
    if records[id] != nil { isDoubled = true }
    var line = record.line + "\n"
    let code = line.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: file) }
    guard code == 0 else { throw failure(.output, "cannot be written: \(String(cString: strerror(code)))") }
    // Pipes cannot be synced (EINVAL).
    guard fdatasync(file) == 0 || [EINVAL, EROFS, ENOTSUP].contains(shims_errno()) else {
      throw failure(.output, "cannot be written: \(String(cString: strerror(shims_errno())))")
    }
  }

  /// Leaves only the last record of each image; nothing is appended afterwards. The earlier ones stay until here, so that they are not lost
  /// where work is stopped, and for good where the file cannot be replaced by another one of the same owner and name: readers take the last.
  func finish() throws {
    var facts = stat()
    guard isDoubled, fstat(file, &facts) == 0, facts.st_nlink == 1, facts.st_uid == geteuid(), let name = try? path.utf8() else { return }
    let mask = umask(0o777 & ~facts.st_mode)
    defer { umask(mask) }
    guard let output = try? OutputFile(path: name) else { return }
    var last: [String: Int] = [:]
    let lines = try contents().split(separator: UInt8(ascii: "\n"))
    let ids = try lines.map { try JSONValue.parse(String(decoding: $0, as: UTF8.self), file: path.description)["img_id"]?.string ?? "" }
    for (i, id) in ids.enumerated() { last[id] = i }
    var bytes: [UInt8] = []
    for (i, line) in lines.enumerated() where last[ids[i]] == i {
      bytes += line
      bytes.append(UInt8(ascii: "\n"))
    }
    try output.write(bytes, at: 0)
    try output.commit()
  }

  private func failure(_ status: ExitStatus, _ what: String) -> CommandFailure { CommandFailure(status, "\(path): \(what).") }
}

extension JSONValue {
  /// Name of the first member that is missing or different in either object. Nil: equal.
  fileprivate func firstDifference(from other: JSONValue) -> String? {
    let (own, theirs) = (members ?? [], other.members ?? [])
    if let found = own.first(where: { "\($0.value)" != other[$0.key].map { "\($0)" } }) { return found.key }
    return theirs.first { self[$0.key] == nil }?.key
  }
}
