// SPDX-License-Identifier: Apache-2.0

/// Weighted selection without a full sort.
enum WeightedSelection {
  /// Weighted quickselect: the smallest key at which the cumulative weight, in ascending order of keys, reaches `goal`.
  static func last(_ keys: inout [UInt64], goal: Double, _ weight: (UInt64) -> Double) -> UInt64 {
    var (low, high, left) = (0, keys.count - 1, goal)
    while low < high {
      let pivot = median(keys[low], keys[(low + high) / 2], keys[high])
      var store = low
      var sum = 0.0
      for i in low...high where keys[i] <= pivot {
        sum += weight(keys[i])
        keys.swapAt(i, store)
        store += 1
      }
      // Keys are distinct, so `low ..< store` holds the pivot.
      if sum >= left {
        if store - 1 == high {
          // The pivot is the largest: remove it.
          let at = keys[low...high].firstIndex(of: pivot) ?? high
          keys.swapAt(at, high)
          if sum - weight(pivot) < left { return pivot }
          high -= 1
        } else {
          high = store - 1
        }
      } else {
        left -= sum
        low = store
      }
    }
    return keys.indices.contains(low) ? keys[low] : .max
  }

  private static func median(_ a: UInt64, _ b: UInt64, _ c: UInt64) -> UInt64 { max(min(a, b), min(max(a, b), c)) }
}
