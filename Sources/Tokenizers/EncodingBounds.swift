// SPDX-License-Identifier: Apache-2.0
import Shims

/// Limits of one tokenisation: the number of ids, and cancellation.
struct EncodingBounds {
  /// Most ids.
  let limit: Int
  let isStopped: () -> Bool

  /// Steps between calls of `isStopped`, which reads the clock; a step takes well below 1 µs.
  static let interval = 4096

  /// Called in every long loop with its counter: asks `isStopped` every `interval` steps.
  func check(_ step: Int) throws(TokenizerError) {
    if step % Self.interval == 0, isStopped() { throw .stopped }
  }

  func check(_ ids: [Int32]) throws(TokenizerError) {
    if ids.count > limit { throw .tooManyIds(limit: limit) }
  }

  /// Throws where memory is short for an array that doubles its capacity at `count` elements. Short arrays are not checked.
  static func checkRoom(_ count: Int, of bytesEach: Int) throws(TokenizerError) {
    guard count >= 1 << 16, count & (count - 1) == 0 else { return }
    guard memory_has_room(3 * count * bytesEach) else { throw .outOfMemory(bytes: 2 * count * bytesEach) }
  }
}
