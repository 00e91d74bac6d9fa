// SPDX-License-Identifier: Apache-2.0
import CFovea
import Glibc

/// The pages of a PDF file as PNG pictures, one at a time, by Poppler's `pdftoppm` and `pdfinfo`, if installed. Both read the file from their
/// standard input, so that a name cannot be taken for an option.
final class PDFDocument {
  let pages: Int
  private let name: String
  private let file: Int32

  /// Whether the signature is in the first 1024 bytes, where readers search for it.
  static func isOne(_ bytes: some Collection<UInt8>) -> Bool {
    let mark = Array("%PDF-".utf8)
    let bytes = Array(bytes)
    return bytes.indices.dropLast(mark.count - 1).contains { bytes[$0...].starts(with: mark) }
  }

  convenience init(path: FilePath) throws(LibraryError) {
    let file = open(path.cString, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      throw LibraryError(
        status: fovea_status(FOVEA_ERROR_IO), description: "\(path): cannot be read: \(String(cString: strerror(errno))).")
    }
    try self.init(file: file, name: path.description)
  }

  convenience init(bytes: [UInt8], name: String) throws(LibraryError) {
    // An unlinked temporary file: the programs need to seek.
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = (folder + "/fovea-XXXXXX").utf8CString.map { $0 }
    let file = mkstemp(&template)
    if file >= 0 { unlink(template) }
    guard file >= 0, bytes.withUnsafeBytes({ writeAll($0, to: file) }) == 0 else {
      if file >= 0 { close(file) }
      throw LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(name): no room for \(bytes.count) bytes in \(folder).")
    }
    try self.init(file: file, name: name)
  }

  private init(file: Int32, name: String) throws(LibraryError) {
    (self.file, self.name) = (file, name)
    do throws(LibraryError) {
      let text = String(decoding: try Self.output(of: ["pdfinfo", "-"], input: file, about: name), as: UTF8.self)
      let line = text.split(separator: "\n").first { $0.hasPrefix("Pages:") }
      guard let count = line.flatMap({ Int($0.dropFirst(6).filter { $0 != " " }) }), count > 0 else {
        throw LibraryError(status: fovea_status(FOVEA_ERROR_IMAGE), description: "\(name): pdfinfo tells no number of pages.")
      }
      pages = count
    } catch {
      close(file)
      throw error
    }
  }

  deinit { close(file) }

  /// The bytes of a PNG file.
  /// - Parameter number: from 1 on.
  func page(_ number: Int, dotsPerInch: Int) throws(LibraryError) -> [UInt8] {
    try Self.output(
      of: ["pdftoppm", "-png", "-r", "\(dotsPerInch)", "-f", "\(number)", "-l", "\(number)", "-singlefile", "-"], input: file,
      about: "\(name), page \(number)")
  }

  /// The text layer of a page, with boxes.
  func textLayer(_ number: Int) throws(LibraryError) -> String {
    let xml = try Self.output(
      of: ["pdftotext", "-bbox-layout", "-f", "\(number)", "-l", "\(number)", "-", "-"], input: file, about: "\(name), page \(number)")
    return String(decoding: xml, as: UTF8.self)
  }

  /// The standard output of a program. Arguments are passed as they are, without a shell.
  private static func output(of command: [String], input: Int32, about what: String) throws(LibraryError) -> [UInt8] {
    func failure(_ detail: String, _ status: Int = FOVEA_ERROR_IO) -> LibraryError {
      LibraryError(status: fovea_status(status), description: "\(what): \(detail)")
    }
    lseek(input, 0, SEEK_SET)
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw failure("no pipe for \(command[0])") }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    posix_spawn_file_actions_addclose(&actions, ends[1])
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { arguments.forEach { free($0) } }
    var child: pid_t = 0
    let status = posix_spawnp(&child, command[0], &actions, nil, &arguments, environ)
    close(ends[1])
    guard status == 0 else {
      throw failure("PDF files need \(command[0]), which did not start; it is in the package poppler-utils.", FOVEA_ERROR_UNSUPPORTED)
    }
    let bytes = readAll(ends[0]) ?? []
    var result: Int32 = 0
    while waitpid(child, &result, 0) < 0, errno == EINTR {}
    guard result == 0 else { throw failure("\(command[0]) could not read it.", FOVEA_ERROR_IMAGE) }
    return bytes
  }
}
