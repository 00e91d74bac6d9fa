// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// ln of each token's probability under the model's own logits, before processors and temperature. One softmax kernel a token.
package final class LogProbabilities {
  package private(set) var values: [Float] = []
  private let softmax: (UnsafeMutablePointer<Float>, Int) -> Void
  /// The logits that the next token is chosen from, and a copy that becomes their softmax.
  private let logits, weights: UnsafeMutableBufferPointer<Float>
  private var peak = 0

  /// - Parameter scratch: `[2 · vocabSize]`, the caller's, for as long as this object is used.
  package init(_ kernels: KernelTable, scratch: UnsafeMutableBufferPointer<Float>) {
    softmax = kernels.softmax
    let half = scratch.count / 2
    logits = UnsafeMutableBufferPointer(rebasing: scratch[..<half])
    weights = UnsafeMutableBufferPointer(rebasing: scratch[half..<2 * half])
  }

  /// Called before a token is chosen: processors change the logits.
  /// - Parameter logits: `[vocabSize]`.
  package func observe(_ logits: UnsafeMutableBufferPointer<Float>) {
    guard let from = logits.baseAddress, let copy = self.logits.baseAddress, let y = weights.baseAddress,
      logits.count == self.logits.count
    else { return }
    copy.update(from: from, count: logits.count)
    y.update(from: from, count: logits.count)
    peak = largestIndex(logits)
    softmax(y, logits.count)
  }

  /// Takes the token that was chosen.
  package func append(_ id: Int32) {
    guard logits.indices.contains(Int(id)), logits.indices.contains(peak) else { return values.append(-.infinity) }
    // The softmax of the greatest logit is 1 / Σ exp(logit − greatest).
    values.append(Float(Double(logits[Int(id)] - logits[peak]) + log(Double(weights[peak]))))
  }
}
