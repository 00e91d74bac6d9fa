// SPDX-License-Identifier: Apache-2.0
import Families
import Regions
import Runtime
import Shims

extension Session {
  /// Picks one of some texts as the answer, for a caller that has the session to itself already.
  /// - Parameters:
  ///   - choices: UTF-8, none of them empty.
  ///   - options: of these the prompt's form, the temperature and the seed, the deadline and the progress matter.
  /// - Returns: the picked one's index, and for each how likely the model's answer is it, given that it is one of them: each as a whole, its end
  ///   included, so that lengths count for what the model makes of them.
  package func choice(
    _ request: Request, among choices: [[UInt8]], options: GenerateOptions
  ) throws(FoveaError) -> (index: Int, probabilities: [Double]) {
    guard !choices.isEmpty else { throw .argument("choices", "there are none") }
    let scores = try scores(request, continuations: choices, ends: true, options: options)
    let probabilities = Self.shares(scores, temperature: 1)
    guard options.temperature > 0 else { return (Self.largest(probabilities), probabilities) }
    var random = SplitMix64(seed: options.seed)
    var left = random.uniform()
    let drawn = Self.shares(scores, temperature: Double(options.temperature))
    for (i, share) in drawn.enumerated() {
      left -= share
      if left < 0 { return (i, probabilities) }
    }
    return (Self.largest(drawn), probabilities)
  }

  private static func largest(_ values: [Double]) -> Int {
    var best = 0
    for i in values.indices where values[i] > values[best] { best = i }
    return best
  }

  /// exp(score / temperature) as shares of their sum; equal ones where no score is a number.
  private static func shares(_ scores: [Double], temperature: Double) -> [Double] {
    let top = scores.reduce(-Double.infinity) { max($0, $1) }
    guard top.isFinite else { return scores.map { _ in 1 / Double(scores.count) } }
    let weights = scores.map { $0 > -.infinity ? exp(($0 - top) / temperature) : 0 }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }
}
