// SPDX-License-Identifier: Apache-2.0
import CFovea
import Glibc

/// The pages of a PDF file as PNG pictures, one at a time, by Poppler's `pdftoppm` and `pdfinfo`, if installed. Both read the file from their
/// standard input, so that a name cannot be taken for an option.
final class PDFDocument {
  let pages: Int
  private let name: String
  /// Of each page, in points of 1/72 inch; as far as pdfinfo tells them.
  private let sizes: [Int: (width: Double, height: Double)]
  /// Pages that are shown turned by 90° or 270°.
  let turned: Set<Int>
  /// What a page is drawn to at most; beyond it with fewer dots per inch.
  private static let longestSide = 16384.0, mostPixels = 100e6
  /// What a page, and reading a file's table of pages, may take.
  private static let seconds = 300
  private let file: Int32
  private var sum: String?

  /// Whether the signature is in the first 1024 bytes, where readers search for it. A picture may hold it too, as in a comment.
  static func isOne(_ bytes: some Collection<UInt8>) -> Bool {
    let mark = Array("%PDF-".utf8)
    let bytes = Array(bytes)
    if Picture.isOne(bytes) { return false }
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
      let text = String(decoding: try Self.output(of: ["pdfinfo", "-l", "\(Int32.max)", "-"], input: file, about: name), as: UTF8.self)
      let lines = text.split(separator: "\n")
      var sizes: [Int: (width: Double, height: Double)] = [:]
      var turned: Set<Int> = []
      // Titles come before, with their line breaks.
      let line = lines.last { $0.hasPrefix("Pages:") }
      for line in lines where line.hasPrefix("Page ") {
        // "Page    1 size:  612 x 792 pts (letter)", "Page    1 rot:   90"
        let words = line.split(separator: " ")
        guard words.count >= 4, let page = Int(words[1]) else { continue }
        if words[2] == "rot:", let degrees = Int(words[3]) {
          if degrees % 180 == 0 { turned.remove(page) } else { turned.insert(page) }
        } else if words[2] == "size:", words.count >= 6, let width = Double(words[3]), let height = Double(words[5]) {
          sizes[page] = (width, height)
        }
      }
      guard let count = line.flatMap({ Int($0.dropFirst(6).filter { $0 != " " }) }), count > 0 else {
        throw LibraryError(status: fovea_status(FOVEA_ERROR_IMAGE), description: "\(name): pdfinfo tells no number of pages.")
      }
      (pages, self.sizes, self.turned) = (count, sizes, turned)
    } catch {
      close(file)
      throw error
    }
  }

  deinit { close(file) }

  /// Identifies the file's content.
  func checksum() throws(LibraryError) -> String {
    if let sum { return sum }
    let found = try Checksum.of(descriptor: file, name: name)
    sum = found
    return found
  }

  /// The bytes of a PNG file. It shows the crop box, whose size pdfinfo tells.
  /// - Parameter number: from 1 on.
  func page(_ number: Int, dotsPerInch: Int) throws(LibraryError) -> [UInt8] {
    var dots = Double(dotsPerInch)
    let (width, height) = sizes[number] ?? (0, 0)
    if width > 0, height > 0, width.isFinite, height.isFinite {
      dots = min(dots, 72 * Self.longestSide / max(width, height), 72 * (Self.mostPixels / (width * height)).squareRoot())
    }
    let rounded = dots == Double(dotsPerInch) ? "\(dotsPerInch)" : "\(max((dots * 1000).rounded(.down), 1) / 1000)"
    let picture = try Self.output(
      of: ["pdftoppm", "-png", "-cropbox", "-r", rounded, "-f", "\(number)", "-l", "\(number)", "-singlefile", "-"], input: file,
      about: "\(name), page \(number)")
    // Where it finds no memory it gives one pixel, and no error.
    let expected = max(width, height) * dots / 72
    guard !expected.isFinite || expected < 16 || Self.longestSide(ofPNG: picture) > 1 else {
      throw LibraryError(status: fovea_status(FOVEA_ERROR_IMAGE), description: "\(name), page \(number): pdftoppm could not draw it.")
    }
    return picture
  }

  /// By its header; 0: it is none.
  private static func longestSide(ofPNG bytes: [UInt8]) -> UInt32 {
    guard bytes.count >= 24 else { return 0 }
    func number(_ at: Int) -> UInt32 { bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) } }
    return max(number(16), number(20))
  }

  /// The text layer of a page, with boxes in its crop box.
  func textLayer(_ number: Int) throws(LibraryError) -> String {
    let xml = try Self.output(
      of: ["pdftotext", "-bbox-layout", "-cropbox", "-f", "\(number)", "-l", "\(number)", "-", "-"], input: file,
      about: "\(name), page \(number)")
    return String(decoding: xml, as: UTF8.self)
  }

  /// Milliseconds of a clock that nobody sets.
  private static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
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
    let end = now() + seconds * 1000
    let bytes = readAll(ends[0]) {
      var readable = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
      while true {
        let found = poll(&readable, 1, Int32(clamping: max(end - now(), 0)))
        if found < 0, errno == EINTR, !Interruption.isWanted { continue }
        if found == 0 { errno = ETIMEDOUT }
        return found > 0
      }
    }
    let code = errno
    // It would wait for ever to be read.
    if bytes == nil { kill(child, SIGKILL) }
    var result: Int32 = 0
    while waitpid(child, &result, 0) < 0, errno == EINTR {}
    // Ctrl-C on a terminal ends the program too, perhaps before it is seen here: not a fault of the file.
    let endSignal = result & 0x7F
    let isStopped = bytes == nil ? code == EINTR : endSignal == SIGINT || (result != 0 && Interruption.isWanted)
    if isStopped { throw failure("\(command[0]) was interrupted.", FOVEA_ERROR_CANCELLED) }
    guard let bytes else {
      throw code == ETIMEDOUT
        ? failure("\(command[0]) took more than \(seconds) seconds.", FOVEA_ERROR_DEADLINE)
        : failure("\(command[0]): \(String(cString: strerror(code)))", FOVEA_ERROR_IMAGE)
    }
    guard result == 0 else { throw failure("\(command[0]) could not read it.", FOVEA_ERROR_IMAGE) }
    return bytes
  }
}
