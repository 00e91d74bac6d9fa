// SPDX-License-Identifier: Apache-2.0
import Shims

/// A progress line on the terminal. Silent where standard error is not a terminal.
final class ProgressLine {
  private let isShown = isatty(STDERR_FILENO) == 1
  private var isDirty = false
  private var last: UInt64 = 0

  func show(_ what: String, _ done: Int, _ total: Int) {
    // At most ten times a second.
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
