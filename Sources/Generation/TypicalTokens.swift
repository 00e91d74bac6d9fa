// SPDX-License-Identifier: Apache-2.0
import Shims

/// Locally typical sampling (arXiv:2202.00666): keeps the tokens whose information is nearest to the distribution's entropy, as few as hold a
/// share of the probability.
enum TypicalTokens {
  /// The candidates that are kept, in their order.
  /// - Parameters:
  ///   - weights: what the candidates' probabilities are in proportion to.
  ///   - share: above 0 and below 1.
  static func select(_ weights: [Double], share: Double) -> [Int] {
    let total = weights.reduce(0, +)
    guard total > 0, weights.count > 1 else { return Array(weights.indices) }
    var entropy = 0.0
    for weight in weights where weight > 0 { entropy -= weight / total * log(weight / total) }
    // Ascending as the distance, then as the place.
    var keys: [UInt64] = []
    keys.reserveCapacity(weights.count)
    for (i, weight) in weights.enumerated() where weight > 0 {
      let distance = Float(abs(-log(weight / total) - entropy))
      keys.append(UInt64(distance.bitPattern) << 32 | UInt64(UInt32(truncatingIfNeeded: i)))
    }
    let last = lastKept(&keys, goal: share * total) { weights[Int(UInt32(truncatingIfNeeded: $0))] }
    var kept: [Int] = []
    for key in keys where key <= last { kept.append(Int(UInt32(truncatingIfNeeded: key))) }
    kept.sort()
    return kept
  }

  /// Quickselect by weight: the least key with which the sum of weights, from the least key on, reaches `goal`.
  private static func lastKept(_ keys: inout [UInt64], goal: Double, _ weight: (UInt64) -> Double) -> UInt64 {
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
      // Keys differ, and so `low ..< store` holds the pivot.
      if sum >= left {
        if store - 1 == high {
          // The pivot is the largest: take it away.
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
