// SPDX-License-Identifier: Apache-2.0

/// Divides positive logits of tokens that the answer already has and multiplies negative ones (arXiv:1909.05858 §4.1).
package final class RepetitionPenalty: LogitsProcessor {
  private let penalty: Float
  /// Ascending, each once.
  private var seen: [Int32] = []

  package init(_ penalty: Float) { self.penalty = penalty }

  package func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    for id in seen where logits.indices.contains(Int(id)) {
      let value = logits[Int(id)]
      logits[Int(id)] = value > 0 ? value / penalty : value * penalty
    }
  }

  package func accept(_ id: Int32) {
    var (low, high) = (0, seen.count)
    while low < high {
      let middle = (low + high) / 2
      if seen[middle] < id { low = middle + 1 } else { high = middle }
    }
    if low == seen.count || seen[low] != id { seen.insert(id, at: low) }
  }
}
