// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families

/// The host's progress callback, which may be NULL, for one task.
final class Progress {
  private let callback: fovea_progress_callback?
  private let user: UnsafeMutableRawPointer?
  private var wasCalled = false
  private var isRefused = false

  init(_ callback: fovea_progress_callback?, _ user: UnsafeMutableRawPointer?) {
    self.callback = callback
    self.user = user
  }

  /// The callback as the library's functions take it: true continues. Nil without a callback.
  var closure: ((Int, Int) -> Bool)? {
    callback == nil ? nil : { [self] done, total in report(done, total) }
  }

  /// Called when the task is complete. Reports it as done if it was too short to report before; throws where the host asked to stop, even
  /// at the last step.
  func finish() throws(FoveaError) {
    if !wasCalled { _ = report(1, 1) }
    if isRefused { throw FoveaError.refused }
  }

  private func report(_ done: Int, _ total: Int) -> Bool {
    guard let callback else { return true }
    wasCalled = true
    // After a refusal the callback is not called again.
    if !isRefused { isRefused = callback(user, done, total) != 0 }
    return !isRefused
  }
}
