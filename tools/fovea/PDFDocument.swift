// SPDX-License-Identifier: Apache-2.0
import CFovea
import Glibc

/// The pages of a PDF file as PNG pictures, one at a time, by Poppler's `pdftoppm` and `pdfinfo` where they are installed.
struct PDFDocument {
  let path: String
  let pages: Int

  static func isOne(_ path: String) -> Bool { path.lowercased().hasSuffix(".pdf") }

  init(path: String) throws(LibraryError) {
    self.path = path
    let text = String(decoding: try Self.output(of: ["pdfinfo", path], about: path), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("Pages:") }
    guard let count = line.flatMap({ Int($0.dropFirst(6).filter { $0 != " " }) }), count > 0 else {
      throw LibraryError(status: fovea_status(FOVEA_ERROR_IMAGE), description: "\(path): pdfinfo tells no number of pages.")
    }
    pages = count
  }

  /// The bytes of a PNG file.
  /// - Parameter number: from 1 on.
  func page(_ number: Int, dotsPerInch: Int) throws(LibraryError) -> [UInt8] {
    try Self.output(
      of: ["pdftoppm", "-png", "-r", "\(dotsPerInch)", "-f", "\(number)", "-l", "\(number)", "-singlefile", path],
      about: "\(path), page \(number)")
  }

  /// What a program writes to its standard output. It gets its arguments as they are; no shell sees them.
  private static func output(of command: [String], about what: String) throws(LibraryError) -> [UInt8] {
    func failure(_ detail: String) -> LibraryError {
      LibraryError(status: fovea_status(FOVEA_ERROR_IO), description: "\(what): \(detail)")
    }
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw failure("no pipe for \(command[0])") }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    posix_spawn_file_actions_addclose(&actions, ends[1])
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { arguments.forEach { free($0) } }
    var child: pid_t = 0
    let status = posix_spawnp(&child, command[0], &actions, nil, &arguments, environ)
    close(ends[1])
    guard status == 0 else {
      throw failure("PDF files need \(command[0]), which did not start; it is in the package poppler-utils.")
    }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(ends[0], &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    var result: Int32 = 0
    while waitpid(child, &result, 0) < 0, errno == EINTR {}
    guard result == 0 else { throw failure("\(command[0]) could not read it.") }
    return bytes
  }
}
