// SPDX-License-Identifier: Apache-2.0
import CFovea
import Families

/// A host's progress callback, which may be NULL, over one piece of work.
final class Progress {
  private let callback: fovea_progress_callback?
  private let user: UnsafeMutableRawPointer?
  private var wasCalled = false
  private var isRefused = false

  init(_ callback: fovea_progress_callback?, _ user: UnsafeMutableRawPointer?) {
    self.callback = callback
    self.user = user
  }

  /// What the library's functions take: true means go on. Nil without a callback.
  var closure: ((Int, Int) -> Bool)? {
    callback == nil ? nil : { [self] done, total in report(done, total) }
  }

  /// To be called when the work has come to its end. Work that was too short to report is reported as a whole, and a host that said
  /// stop at the last step gets what it asked for.
  func finish() throws(FoveaError) {
    if !wasCalled { _ = report(1, 1) }
    if isRefused { throw FoveaError.refused }
  }

  private func report(_ done: Int, _ total: Int) -> Bool {
    guard let callback else { return true }
    wasCalled = true
    // Once refused the callback is left alone.
    if !isRefused { isRefused = callback(user, done, total) != 0 }
    return !isRefused
  }
}
