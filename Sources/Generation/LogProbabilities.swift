// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// ln of each token's probability under the model's own logits, before processors and temperature, and of the likeliest tokens at its
/// position. One softmax per token.
package final class LogProbabilities {
  package private(set) var values: [Float] = []
  /// `[values.count, top]`: the likeliest tokens, likeliest first, and their log-probabilities.
  package private(set) var topIds: [Int32] = []
  package private(set) var topValues: [Float] = []
  package let top: Int
  private let softmax: (UnsafeMutablePointer<Float>, Int) -> Void
  /// The logits of the next token, and a copy that becomes their softmax.
  private let logits, weights: UnsafeMutableBufferPointer<Float>
  private var peak = 0

  /// - Parameters:
  ///   - scratch: `[2 · vocabSize]`, the caller's, for as long as this object is used.
  ///   - top: how many of the likeliest tokens are kept.
  package init(_ kernels: KernelTable, scratch: UnsafeMutableBufferPointer<Float>, top: Int = 0) {
    softmax = kernels.softmax
    let half = scratch.count / 2
    logits = UnsafeMutableBufferPointer(rebasing: scratch[..<half])
    weights = UnsafeMutableBufferPointer(rebasing: scratch[half..<2 * half])
    self.top = min(top, half)
  }

  /// Called before processors change the logits.
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

  /// Records the token that was chosen.
  package func append(_ id: Int32) {
    values.append(value(of: id))
    guard top > 0 else { return }
    let likeliest = LargestCandidates.select(top, of: logits)
    for i in 0..<top {
      // NaN is skipped, so there may be fewer than `top`.
      let id = i < likeliest.count ? likeliest[i] : 0
      topIds.append(id)
      topValues.append(i < likeliest.count ? value(of: id) : -.infinity)
    }
  }

  private func value(of id: Int32) -> Float {
    guard logits.indices.contains(Int(id)), logits.indices.contains(peak) else { return -.infinity }
    // The softmax of the greatest logit is 1 / Σ exp(logit − greatest).
    return Float(Double(logits[Int(id)] - logits[peak]) + log(Double(weights[peak])))
  }
}
