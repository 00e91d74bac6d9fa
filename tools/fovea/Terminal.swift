// SPDX-License-Identifier: Apache-2.0
import Shims

/// The text with terminal control and bidirectional characters written as `\u{1b}`; line ends and tabs stay. Names and texts from files are
/// printed through this. Bytes that are not UTF-8 are shown as `\xff`, see `Arguments`.
func visible(_ text: String) -> String {
  var out = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 9, 10: out.append(scalar)
    case 0..<0x20, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069:
      out += "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars
    case 0x10FF80...0x10FFFF: out += "\\x\(String(scalar.value & 0xFF, radix: 16))".unicodeScalars
    default: out.append(scalar)
    }
  }
  return String(out)
}

/// Errors are ignored: there is nowhere to report them.
func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { _ = writeAll(UnsafeRawBufferPointer($0), to: STDERR_FILENO) }
}

/// Escapes control characters if standard output is a terminal.
func writeToStandardOutput(_ text: String) throws(CommandFailure) {
  var text = isatty(STDOUT_FILENO) == 1 ? visible(text) : text
  let code = text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: STDOUT_FILENO) }
  guard code == 0 else { throw CommandFailure(.output, "standard output: cannot write: \(String(cString: strerror(code)))") }
}

/// The same for a piece of an answer of whole UTF-8 characters.
func writeToStandardOutput(_ piece: UnsafeRawBufferPointer) throws(CommandFailure) {
  try writeToStandardOutput(String(decoding: piece, as: UTF8.self))
}

/// Returns 0, or `errno`.
func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Int32 {
  guard let base = bytes.baseAddress else { return 0 }
  var done = 0
  while done < bytes.count {
    let count = write(file, base + done, bytes.count - done)
    if count > 0 { done += count; continue }
    let code = count == 0 ? ENOSPC : shims_errno()
    if code != EINTR { return code }
  }
  return 0
}

/// Reads a descriptor to its end, at most 512 MiB, since a device may have no end; nil where it cannot be read (`errno`).
/// - Parameter wait: called before each read; false gives up, with its `errno`.
func readAll(_ file: Int32, wait: () -> Bool = { true }) -> [UInt8]? {
  var all: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    guard wait() else { return nil }
    let count = read(file, &buffer, buffer.count)
    if count < 0, shims_errno() == EINTR { continue }
    guard count >= 0 else { return nil }
    if count == 0 { return all }
    guard all.count + count <= 512 << 20 else {
      shims_set_errno(EFBIG)
      return nil
    }
    all += buffer[..<count]
  }
}

func readStandardInput() throws(CommandFailure) -> [UInt8] {
  guard let all = readAll(STDIN_FILENO) else {
    throw CommandFailure(.noInput, "standard input: cannot be read: \(String(cString: strerror(shims_errno())))")
  }
  return all
}
