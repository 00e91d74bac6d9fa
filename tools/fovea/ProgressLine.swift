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
