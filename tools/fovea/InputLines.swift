// SPDX-License-Identifier: Apache-2.0
import Shims

/// The lines of standard input, as they come.
struct InputLines {
  /// Of the line that `next` gave last.
  private(set) var number = 0
  private var buffer: [UInt8] = []
  private var isAtEnd = false
  /// What the library takes of a text.
  private static let mostBytes = 8 << 20

  /// Without its line break (LF, or CR and LF); nil after the last one.
  mutating func next() throws(CommandFailure) -> [UInt8]? {
    var searched = 0
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { buffer.removeFirst(end + 1) }
        return take(end)
      }
      searched = buffer.count
      if isAtEnd {
        defer { buffer = [] }
        return buffer.isEmpty ? nil : take(buffer.count)
      }
      guard searched <= Self.mostBytes else {
        throw CommandFailure(.usage, "standard input, line \(number + 1): more than \(Self.mostBytes) bytes.")
      }
      var part = [UInt8](repeating: 0, count: 1 << 16)
      let count = read(STDIN_FILENO, &part, part.count)
      if count < 0, shims_errno() == EINTR {
        if Interruption.isWanted { return nil }
        continue
      }
      guard count >= 0 else {
        throw CommandFailure(.noInput, "standard input: cannot be read: \(String(cString: strerror(shims_errno())))")
      }
      isAtEnd = count == 0
      buffer += part[..<count]
    }
  }

  private mutating func take(_ count: Int) -> [UInt8] {
    number += 1
    return Array(buffer[..<(count > 0 && buffer[count - 1] == UInt8(ascii: "\r") ? count - 1 : count)])
  }
}
