// SPDX-License-Identifier: Apache-2.0
import Shims

/// Stops work gracefully on Ctrl-C and similar signals: the first is recorded, and checked whenever the library reports progress or a token;
/// the same signal again ends the program at once.
enum Interruption {
  static var isWanted: Bool { received != 0 }

  /// - Parameter work: what ends here, for the message.
  static func check(_ work: String) throws(CommandFailure) {
    if isWanted { throw CommandFailure(.interrupted, "\(work) was interrupted.") }
  }

  static func install(_ signals: [Int32] = [SIGINT]) {
    for number in signals {
      signal(number) {
        received = sig_atomic_t($0)
        signal($0, nil)  // SIG_DFL
      }
    }
  }
}

/// A signal handler can access only globals.
nonisolated(unsafe) private var received: sig_atomic_t = 0
