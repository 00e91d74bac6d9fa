// SPDX-License-Identifier: Apache-2.0
import Shims

/// When to give up turning a text into ids.
struct EncodingBounds {
  /// Ids that have room.
  let limit: Int
  let isStopped: () -> Bool

  /// Steps between two looks at `isStopped`, which reads the clock; a step takes well below a microsecond.
  static let interval = 4096

  /// To be called wherever time goes by with what `step` counts there.
  func check(_ step: Int) throws(TokenizerError) {
    if step % Self.interval == 0, isStopped() { throw .stopped }
  }

  func check(_ ids: [Int32]) throws(TokenizerError) {
    if ids.count > limit { throw .tooManyIds(limit: limit) }
  }

  /// Asks the system for the room that a list is going to take which doubles at `count`. Short ones have it.
  static func checkRoom(_ count: Int, of bytesEach: Int) throws(TokenizerError) {
    guard count >= 1 << 16, count & (count - 1) == 0 else { return }
    guard memory_has_room(3 * count * bytesEach) else { throw .outOfMemory(bytes: 2 * count * bytesEach) }
  }
}
