// SPDX-License-Identifier: Apache-2.0
import CFovea
import Synchronization

/// Identifies a picture's bytes. Hasher is seeded randomly at program start, so clients cannot construct collisions.
struct PictureKey: Hashable, Sendable {
  private let first, second: Int
  private let size: Int

  init(_ bytes: [UInt8]) {
    func hash(_ salt: Int) -> Int {
      var hasher = Hasher()
      hasher.combine(salt)
      bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
      return hasher.finalize()
    }
    (first, second, size) = (hash(1), hash(2), bytes.count)
  }
}

/// Recently encoded pictures: later turns of a conversation send the same ones again.
final class PictureCache: Sendable {
  private struct Held {
    var pictures: [(key: PictureKey, picture: EncodedPicture)] = []
    var bytes = 0
    var hits = 0
  }

  private let capacity: Int
  private let held = Mutex(Held())

  /// - Parameter capacity: most bytes of cached vectors.
  init(capacity: Int) { self.capacity = capacity }

  var bytes: Int { held.withLock { $0.bytes } }
  var hits: Int { held.withLock { $0.hits } }

  subscript(key: PictureKey) -> EncodedPicture? {
    held.withLock { held in
      guard let index = held.pictures.lastIndex(where: { $0.key == key }) else { return nil }
      let found = held.pictures.remove(at: index)
      held.pictures.append(found)
      held.hits += 1
      return found.picture
    }
  }

  func add(_ picture: EncodedPicture, key: PictureKey) {
    let bytes = picture.bytes
    guard bytes <= capacity else { return }
    let dropped: [EncodedPicture] = held.withLock { held in
      guard !held.pictures.contains(where: { $0.key == key }) else { return [] }
      held.pictures.append((key, picture))
      held.bytes += bytes
      var dropped: [EncodedPicture] = []
      while held.bytes > capacity, let oldest = held.pictures.first {
        held.pictures.removeFirst()
        held.bytes -= oldest.picture.bytes
        dropped.append(oldest.picture)
      }
      return dropped
    }
    _ = dropped  // released here, outside the lock
  }

  func removeAll() {
    let dropped = held.withLock { held in
      let pictures = held.pictures
      (held.pictures, held.bytes) = ([], 0)
      return pictures
    }
    _ = dropped
  }
}
