// SPDX-License-Identifier: Apache-2.0
import CFovea
import CheckpointFiles
import Conversion
import Shims

/// A file of records, one JSON object per line, appended as images are done. Interrupted work resumes where it stopped: an incomplete last
/// line is truncated. What is not a regular file (a FIFO, a device, standard output) is only written to.
final class RecordFile {
  private let path: FilePath
  private let file: Int32
  /// Line and settings of each record, by its `img_id`.
  private var records: [String: (line: Int, settings: JSONValue?)] = [:]

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
      if isRegular { try readRecords() }
    }
    guard file >= 0 else { throw failure(.output, "cannot be written: \(String(cString: strerror(shims_errno())))") }
  }

  private func readRecords() throws {
    guard let bytes = readAll(file) else { throw failure(.noInput, "cannot be read: \(String(cString: strerror(shims_errno())))") }
    let whole = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
    for (number, line) in bytes[..<whole].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).enumerated() {
      guard let record = try? JSONValue.parse(String(decoding: line, as: UTF8.self), file: path.description),
        let id = record["img_id"]?.string
      else {
        // Not a file of records: do not overwrite it.
        throw failure(.noInput, "line \(number + 1) is not a record")
      }
      records[id] = (number + 1, record["settings"])
    }
    // Truncate only now that it is known to be a file of records.
    if whole < bytes.count, ftruncate(file, off_t(whole)) != 0 { throw failure(.output, "cannot be cut off") }
  }

  deinit { if file >= 0 { close(file) } }

  /// Whether there is a record of an image.
  /// - Throws: if it was made with other settings, since records of both must not be mixed.
  func isDone(_ id: String, settings: JSON) throws(CommandFailure) -> Bool {
    guard let record = records[id] else { return false }
    let wanted = (try? JSONValue.parse(settings.line, file: "")) ?? .null
    let different = wanted.firstDifference(from: record.settings ?? .null)
    guard let different else { return true }
    throw CommandFailure(
      .usage, "\(path): line \(record.line), \(id), was made with other settings (\(different)): name another file with --output.")
  }

  func append(_ record: JSON, id: String) throws(CommandFailure) {
    var line = record.line + "\n"
    let code = line.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: file) }
    guard code == 0 else { throw failure(.output, "cannot be written: \(String(cString: strerror(code)))") }
    // Pipes cannot be synced (EINVAL).
    guard fdatasync(file) == 0 || [EINVAL, EROFS, ENOTSUP].contains(shims_errno()) else {
      throw failure(.output, "cannot be written: \(String(cString: strerror(shims_errno())))")
    }
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
