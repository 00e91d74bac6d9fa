// SPDX-License-Identifier: Apache-2.0
import CFovea
import Conversion
import Shims

/// A file of records, one JSON object in a line, that grows as images are done. Work that was broken off goes on where it stopped: a
/// line that was not written to its end is cut off.
final class RecordFile {
  private let path: String
  private let file: Int32
  /// `img_id` of every record.
  private(set) var done: Set<String> = []

  init(path: String) throws {
    self.path = path
    file = shims_open(path, O_RDWR | O_CREAT | O_APPEND, 0o644)
    guard file >= 0 else { throw Self.failure(path, "cannot be opened for writing") }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Shims.read(file, &buffer, buffer.count)
      if count < 0, shims_errno() == EINTR { continue }
      guard count >= 0 else { throw Self.failure(path, "cannot be read") }
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    let whole = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
    if whole < bytes.count, ftruncate(file, off_t(whole)) != 0 { throw Self.failure(path, "cannot be cut off") }
    for (number, line) in bytes[..<whole].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).enumerated() {
      guard let record = try? JSONValue.parse(String(decoding: line, as: UTF8.self), file: path), let id = record["img_id"]?.string else {
        // Not ours to overwrite.
        throw Self.failure(path, "line \(number + 1) is not a record")
      }
      done.insert(id)
    }
  }

  deinit { close(file) }

  func append(_ record: JSON, id: String) throws {
    var line = record.line + "\n"
    let written = line.withUTF8 { bytes in
      var at = 0
      while at < bytes.count {
        let count = write(file, bytes.baseAddress.map { $0 + at }, bytes.count - at)
        if count < 0, shims_errno() == EINTR { continue }
        guard count > 0 else { return false }
        at += count
      }
      return true
    }
    guard written, fdatasync(file) == 0 || shims_errno() == EINVAL else { throw Self.failure(path, "cannot be written") }
    done.insert(id)
  }

  private static func failure(_ path: String, _ what: String) -> LibraryError {
    LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(path): \(what).")
  }
}
