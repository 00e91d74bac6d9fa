// SPDX-License-Identifier: Apache-2.0
import Shims

/// One line on the terminal that says how far the work is. Silent where standard error is no terminal.
final class ProgressLine {
  private let isShown = isatty(STDERR_FILENO) == 1
  private var isDirty = false
  private var last: UInt64 = 0

  func show(_ what: String, _ done: Int, _ total: Int) {
    // Ten times a second is enough to look alive and costs nothing.
    guard isShown, done == total || monotonic_nanoseconds() &- last > 100_000_000 else { return }
    last = monotonic_nanoseconds()
    let share = total > 1000 ? "\(Int(100 * Double(done) / Double(total))) %" : "\(done)/\(total)"
    writeToStandardError("\r\u{1B}[K\(what) \(share)")
    isDirty = true
  }

  func clear() {
    if isDirty { writeToStandardError("\r\u{1B}[K") }
    isDirty = false
  }
}

func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: STDERR_FILENO) }
}

func writeToStandardOutput(_ text: String) {
  var text = text
  text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: STDOUT_FILENO) }
}

func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32) {
  guard let base = bytes.baseAddress else { return }
  var done = 0
  while done < bytes.count {
    let count = write(file, base + done, bytes.count - done)
    if count < 0, shims_errno() == EINTR { continue }
    guard count > 0 else { return }  // a closed pipe: nobody reads any more
    done += count
  }
}

/// Everything from standard input.
func readStandardInput() -> [UInt8] {
  var all: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(STDIN_FILENO, &buffer, buffer.count)
    if count < 0, shims_errno() == EINTR { continue }
    guard count > 0 else { return all }
    all += buffer[..<count]
  }
}
