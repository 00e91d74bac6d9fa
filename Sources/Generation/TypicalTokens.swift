// SPDX-License-Identifier: Apache-2.0
import Shims

/// Locally typical sampling (arXiv:2202.00666): keeps the tokens whose information content is nearest to the distribution's entropy, as few as
/// hold `share` of the probability.
enum TypicalTokens {
  /// Indices of the candidates kept, ascending.
  /// - Parameters:
  ///   - weights: unnormalised probabilities of the candidates.
  ///   - share: above 0 and below 1.
  static func select(_ weights: [Double], share: Double) -> [Int] {
    let total = weights.reduce(0, +)
    guard total > 0, weights.count > 1 else { return Array(weights.indices) }
    var entropy = 0.0
    for weight in weights where weight > 0 { entropy -= weight / total * log(weight / total) }
    // Ascending by distance, then by index.
    var keys: [UInt64] = []
    keys.reserveCapacity(weights.count)
    for (i, weight) in weights.enumerated() where weight > 0 {
      let distance = Float(abs(-log(weight / total) - entropy))
      keys.append(UInt64(distance.bitPattern) << 32 | UInt64(UInt32(truncatingIfNeeded: i)))
    }
    let last = WeightedSelection.last(&keys, goal: share * total) { weights[Int(UInt32(truncatingIfNeeded: $0))] }
    var kept: [Int] = []
    for key in keys where key <= last { kept.append(Int(UInt32(truncatingIfNeeded: key))) }
    kept.sort()
    return kept
  }
}
