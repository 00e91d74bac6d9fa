// SPDX-License-Identifier: Apache-2.0

/// Selects the largest logits without a full sort.
enum LargestCandidates {
  /// Ids of the `count` largest logits, descending, lower id first among equals; NaN is skipped.
  static func select(_ count: Int, of logits: UnsafeMutableBufferPointer<Float>) -> [Int32] {
    guard count > 0 else { return [] }
    var keys: [UInt64] = []
    let capacity = 2 * min(count, logits.count) + 256
    keys.reserveCapacity(capacity)
    // Once there are `count`, only larger logits matter: an equal one has a higher id.
    var bar: Float?
    forEachBlock(of: logits, above: { bar }) { i in
      guard !logits[i].isNaN, bar.map({ logits[i] > $0 }) ?? true else { return }
      keys.append(key(logits[i], i))
      if keys.count == capacity {
        keep(count, &keys)
        bar = logits[id(keys[count - 1])]
      }
    }
    if keys.count > count { keep(count, &keys) }
    keys.sort(by: >)
    return keys.map { Int32(id($0)) }
  }

  /// Sort key: by logit, then by descending id.
  static func key(_ logit: Float, _ id: Int) -> UInt64 {
    let bits = (logit + 0).bitPattern  // −0 becomes 0
    let ordered = bits >> 31 == 0 ? bits | 1 << 31 : ~bits
    return UInt64(ordered) << 32 | UInt64(~UInt32(truncatingIfNeeded: id))
  }

  static func id(_ key: UInt64) -> Int { Int(~UInt32(truncatingIfNeeded: key)) }

  /// Quickselect: keeps the `count` largest keys, the smallest of them last.
  private static func keep(_ count: Int, _ keys: inout [UInt64]) {
    keys.withUnsafeMutableBufferPointer { keys in
      var (low, high) = (0, keys.count - 1)
      while low < high {
        let middle = (low + high) / 2
        // Median of three as the pivot, at `high`.
        if keys[low] < keys[middle] { keys.swapAt(low, middle) }
        if keys[low] < keys[high] { keys.swapAt(low, high) }
        if keys[middle] > keys[high] { keys.swapAt(middle, high) }
        let pivot = keys[high]
        var store = low
        for i in low..<high where keys[i] > pivot {
          keys.swapAt(i, store)
          store += 1
        }
        keys.swapAt(store, high)
        if store == count - 1 { break }
        if store < count - 1 { low = store + 1 } else { high = store - 1 }
      }
    }
    keys.removeLast(keys.count - count)
  }
}
