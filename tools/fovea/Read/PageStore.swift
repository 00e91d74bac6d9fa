// SPDX-License-Identifier: Apache-2.0
import CFovea
import CheckpointFiles
import Conversion
import Shims
import WeightFile

/// A record for each page of a document, in a folder beside the document's file, so that interrupted reading can resume. A record is
/// written under another name and renamed, so that it is complete.
struct PageStore {
  private let folder: String

  init(folder: String) throws(CommandFailure) {
    self.folder = folder
    try makeFolder(folder)
  }

  /// The record of a page, if it was made from the same page with the same settings.
  func record(_ number: Int, key: JSON) -> JSONValue? {
    guard let record = try? JSONValue.read(path(number)), let wanted = try? JSONValue.parse(key.line, file: ""),
      let found = record["key"], "\(found)" == "\(wanted)"
    else { return nil }
    return record
  }

  func write(_ record: JSON, _ number: Int, key: JSON) throws {
    // What is written to a pipe waits for its reader.
    var status = stat()
    guard stat(path(number), &status) != 0 || status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else {
      throw CommandFailure(.cannotCreate, "\(path(number)): not a regular file.")
    }
    try writeFile(path(number), record.appending(["key": key]).text() + "\n")
  }

  private func path(_ number: Int) -> String { folder + "/" + paddedNumber(number) + ".json" }
}

/// `0012`: names that sort in page order.
func paddedNumber(_ number: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

func makeFolder(_ path: String) throws(CommandFailure) {
  guard mkdir(path, 0o777) == 0 || shims_errno() == EEXIST else {
    throw CommandFailure(.cannotCreate, "\(path): cannot be created: \(String(cString: strerror(shims_errno()))).")
  }
}

/// Writes a file atomically.
func writeFile(_ path: String, _ text: String) throws {
  let file = try OutputFile(path: path)
  try file.write(Array(text.utf8), at: 0)
  try file.commit()
}
