// SPDX-License-Identifier: Apache-2.0
import Kernels
import Runtime
import Shims

/// Samples the next token from logits. Deterministic for a seed.
///
/// The order of transformers: temperature, then top-k, then top-p (nucleus), then the candidates with at least `minP` of the likeliest one's
/// probability, then typical sampling. Ties in logits are broken by id.
///
/// With `topK` the candidates are sorted, and their probabilities summed in f64. Without it nothing is sorted: probabilities are the f32
/// softmax, and a candidate is drawn from all tokens. While those before it already hold `topP`, it is rejected, and the next draw is among
/// those before it. Few draws are needed; each reads the vocabulary twice. Borders are exact up to rounding (10⁻⁷).
package final class Sampler {
  private let temperature, topP, minP, typicalP: Float
  private let topK: Int
  private var random: SplitMix64
  private let softmax: (UnsafeMutablePointer<Float>, Int) -> Void
  /// `[vocabSize]`, the caller's.
  private let weights: UnsafeMutableBufferPointer<Float>

  /// - Parameter scratch: `[vocabSize]`, the caller's, for the sampler's lifetime; empty at temperature 0.
  package init(_ options: GenerateOptions, _ kernels: KernelTable, scratch: UnsafeMutableBufferPointer<Float>) {
    // The inverse of a smaller one is no number.
    temperature = options.temperature > 0 ? max(options.temperature, .leastNormalMagnitude) : 0
    topP = options.topP
    minP = options.minP
    typicalP = options.typicalP
    topK = options.topK
    random = SplitMix64(seed: options.seed)
    softmax = kernels.softmax
    weights = scratch
  }

  /// - Parameter logits: `[vocabSize]`.
  package func next(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
    let best = largestIndex(logits)
    guard temperature > 0, logits.indices.contains(best), logits[best].isFinite else { return Int32(best) }
    if topK > 0, topK < logits.count { return sample(among: LargestCandidates.select(topK, of: logits), logits, top: logits[best]) }
    if topP == 1, minP > 0, let found = likely(logits, top: logits[best]) { return sample(among: found, logits, top: logits[best]) }
    guard let weights = weights.baseAddress, let base = logits.baseAddress, self.weights.count == logits.count else { return Int32(best) }
    Block.scaled(logits, to: weights, top: logits[best], by: 1 / temperature)
    softmax(weights, logits.count)
    return sampleAll(CumulativeProbability(base, weights, count: logits.count), largest: weights[best])
  }

  // MARK: from a sorted list

  /// Candidates that `minP` alone leaves, sorted; nil where there are more than 4096.
  private func likely(_ logits: UnsafeMutableBufferPointer<Float>, top: Float) -> [Int32]? {
    // Slightly below the threshold, against rounding: `sample` applies the exact one.
    let bar = top + temperature * (Float(log(Double(minP))) - 1e-3)
    var count = 0
    forEachBlock(of: logits, above: { bar }) { i in if logits[i] > bar { count += 1 } }
    return count > 0 && count <= 4096 ? LargestCandidates.select(count, of: logits) : nil
  }

  /// - Parameter candidates: sorted.
  private func sample(among candidates: [Int32], _ logits: UnsafeMutableBufferPointer<Float>, top: Float) -> Int32 {
    let inverse = 1 / Double(temperature)
    let weights = candidates.map { exp((Double(logits[Int($0)]) - Double(top)) * inverse) }
    let total = weights.reduce(0, +)
    // Nucleus: the shortest prefix that holds topP of the total (arXiv:1904.09751).
    var kept = 0.0
    var count = 0
    for weight in weights {
      // The first weight is 1, the largest.
      if count > 0, weight < Double(minP) { break }
      kept += weight
      count += 1
      if kept >= Double(topP) * total { break }
    }
    if typicalP < 1 { return typical(Array(candidates.prefix(count)), Array(weights.prefix(count))) }
    return draw(candidates.prefix(count), weights.prefix(count), of: kept)
  }

  private func typical(_ candidates: [Int32], _ weights: [Double]) -> Int32 {
    let kept = TypicalTokens.select(weights, share: Double(typicalP))
    let left = kept.map { weights[$0] }
    return draw(kept.map { candidates[$0] }[...], left[...], of: left.reduce(0, +))
  }

  private func draw(_ candidates: ArraySlice<Int32>, _ weights: ArraySlice<Double>, of total: Double) -> Int32 {
    var left = random.uniform() * total
    for (id, weight) in zip(candidates, weights) {
      left -= weight
      if left < 0 { return id }
    }
    return candidates.last ?? 0
  }

  // MARK: from the whole vocabulary

  /// - Parameter largest: the largest weight.
  private func sampleAll(_ all: CumulativeProbability, largest: Float) -> Int32 {
    var left = all
    var mass = left.mass()
    let nucleus = topP < 1 ? Double(topP) * mass : .infinity
    if minP > 0 {
      let bar = minP * largest
      for i in weights.indices where weights[i] < bar { weights[i] = 0 }
      mass = left.mass()
    }
    if typicalP < 1 {
      let candidates = left.prefix(holding: nucleus)
      return typical(candidates, candidates.map { Double(weights[Int($0)]) })
    }
    while true {
      let id = left.candidate(at: random.uniform() * mass)
      guard nucleus.isFinite else { return Int32(truncatingIfNeeded: id) }
      left.end(before: id)
      mass = left.mass()
      // No candidate is before the first.
      if mass < nucleus || mass == 0 { return Int32(truncatingIfNeeded: id) }
    }
  }
}
