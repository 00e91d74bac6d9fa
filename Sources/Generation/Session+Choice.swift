// SPDX-License-Identifier: Apache-2.0
import Families
import Regions
import Runtime
import Shims

extension Session {
  /// Picks one of several texts as the answer. The caller holds the session (`exclusively`).
  /// - Parameters:
  ///   - choices: UTF-8, none of them empty.
  ///   - options: only the prompt format, temperature, seed, deadline and progress are used.
  /// - Returns: the index picked, and for each text its probability as the whole answer, end included, given that the answer is one of them.
  ///   There is no length normalisation.
  package func choice(
    _ request: Request, among choices: [[UInt8]], options: GenerateOptions
  ) throws(FoveaError) -> (index: Int, probabilities: [Double]) {
    guard !choices.isEmpty else { throw .argument("choices", "there are none") }
    let scores = try scores(request, continuations: choices, named: "choices", ends: true, options: options)
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

  /// softmax(scores / temperature); uniform where no score is a number.
  private static func shares(_ scores: [Double], temperature: Double) -> [Double] {
    let top = scores.reduce(-Double.infinity) { max($0, $1) }
    guard top.isFinite else { return scores.map { _ in 1 / Double(scores.count) } }
    let weights = scores.map { $0 > -.infinity ? exp(($0 - top) / temperature) : 0 }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }
}
