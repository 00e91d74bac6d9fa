// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Chooses bits per tensor under a total budget in bytes.
///
/// A tensor's loss in an encoding is its squared relative error times the model's sensitivity to it. From each tensor's smallest encoding on,
/// a greedy algorithm takes the step with the largest decrease of the loss per byte, while it fits.
package enum MixedPrecision {
  package struct Candidate: Sendable {
    package let encoding: TensorEncoding
    package let group, byteCount: Int
    package let loss: Double

    package init(encoding: TensorEncoding, group: Int, byteCount: Int, loss: Double) {
      self.encoding = encoding
      self.group = group
      self.byteCount = byteCount
      self.loss = loss
    }
  }

  /// - Parameter tensors: the candidates of each tensor, at least one.
  /// - Returns: the candidate chosen for each; nil where even the smallest exceed `budget` bytes.
  package static func choose(_ tensors: [[Candidate]], budget: Int) -> [Candidate]? {
    let sorted = tensors.map { $0.sorted { ($0.byteCount, $0.loss) < ($1.byteCount, $1.loss) } }
    var chosen = sorted.compactMap(\.first)
    guard chosen.count == tensors.count else { return nil }
    var room = budget - chosen.reduce(0) { $0 + $1.byteCount }
    guard room >= 0 else { return nil }
    while true {
      var best: (index: Int, to: Candidate, gain: Double)?
      for (i, candidates) in sorted.enumerated() {
        for candidate in candidates {
          let cost = candidate.byteCount - chosen[i].byteCount
          guard cost > 0, cost <= room else { continue }
          let gain = (chosen[i].loss - candidate.loss) / Double(cost)
          if gain > best?.gain ?? 0 { best = (i, candidate, gain) }
        }
      }
      guard let best else { return chosen }
      room -= best.to.byteCount - chosen[best.index].byteCount
      chosen[best.index] = best.to
    }
  }
}
