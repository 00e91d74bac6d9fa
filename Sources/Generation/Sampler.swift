// SPDX-License-Identifier: Apache-2.0
import Kernels
import Runtime
import Shims

/// Picks the next token from logits. Deterministic for a seed.
///
/// As transformers has it: temperature, then the `topK` likeliest, of those the fewest that hold `topP`, of those what has at least `minP` of the
/// likeliest one's probability, and of those the typical ones.
///
/// Candidates are taken in order of falling logit, the lower id first among equals. With `topK` their probabilities are summed in f64 in that order.
/// Without it the vocabulary is not sorted: probabilities are the f32 softmax, a histogram of them (of the largest, where those are enough) finds
/// where a cumulative share is reached, and only that bin is put in order. Both give the same tokens but for draws that fall within rounding (10⁻⁷) of the border between two.
package final class Sampler {
  private let temperature, topP, minP, typicalP: Float
  private let topK: Int
  private var random: SplitMix64
  private let softmax: (UnsafeMutablePointer<Float>, Int) -> Void
  /// `[vocabSize]`, the caller's.
  private let weights: UnsafeMutableBufferPointer<Float>
  private var histogram: MassHistogram

  /// - Parameter scratch: `[vocabSize]`, the caller's, for as long as the sampler is used; empty at temperature 0.
  package init(_ options: GenerateOptions, _ kernels: KernelTable, scratch: UnsafeMutableBufferPointer<Float>) {
    temperature = options.temperature
    topP = options.topP
    minP = options.minP
    typicalP = options.typicalP
    topK = options.topK
    random = SplitMix64(seed: options.seed)
    softmax = kernels.softmax
    weights = scratch
    histogram = temperature > 0 && (topK == 0 || topK >= scratch.count) ? .coarse : .empty
  }

  /// - Parameter logits: `[vocabSize]`.
  package func next(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
    let best = largestIndex(logits)
    guard temperature > 0, logits.indices.contains(best), logits[best].isFinite else { return Int32(best) }
    if topK > 0, topK < logits.count { return sample(among: LargestCandidates.select(topK, of: logits), logits, top: logits[best]) }
    if topP == 1, minP > 0, let found = likely(logits, top: logits[best]) { return sample(among: found, logits, top: logits[best]) }
    guard let base = weights.baseAddress, weights.count == logits.count else { return Int32(best) }
    let (top, inverse) = (logits[best], 1 / temperature)
    for i in 0..<logits.count {
      // NaN is no candidate.
      let z = (logits[i] - top) * inverse
      base[i] = z <= 0 ? z : -.infinity
    }
    softmax(base, logits.count)
    return sampleAll(logits, largest: base[best])
  }

  // MARK: among some

  /// Candidates that `minP` alone leaves, in order; nil where they are many.
  private func likely(_ logits: UnsafeMutableBufferPointer<Float>, top: Float) -> [Int32]? {
    // A little below, so that rounding takes nothing away: `sample` looks again.
    let bar = top + temperature * (Float(log(Double(minP))) - 1e-3)
    var count = 0
    forEachBlock(of: logits, above: { bar }) { i in if logits[i] > bar { count += 1 } }
    return count > 0 && count <= 4096 ? LargestCandidates.select(count, of: logits) : nil
  }

  /// - Parameter candidates: in order.
  private func sample(among candidates: [Int32], _ logits: UnsafeMutableBufferPointer<Float>, top: Float) -> Int32 {
    let inverse = 1 / Double(temperature)
    let weights = candidates.map { exp((Double(logits[Int($0)]) - Double(top)) * inverse) }
    let total = weights.reduce(0, +)
    // Nucleus: the shortest prefix that holds topP of the whole (arXiv:1904.09751).
    var kept = 0.0
    var count = 0
    for weight in weights {
      // The first one's is 1.
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

  // MARK: among all

  /// - Parameter largest: of the weights.
  private func sampleAll(_ logits: UnsafeMutableBufferPointer<Float>, largest: Float) -> Int32 {
    // Of a flat distribution the largest hold too little to be looked at alone.
    if largest > 0x1p-9 { histogram.fillLargest(weights) } else { histogram.fill(weights) }
    let total = Block.sum(weights)
    var kept = total
    var last: Int32?
    if topP < 1 {
      let end = place(.atLeast(Double(topP) * total), logits)
      (kept, last) = (end.sum, end.id)
    }
    if minP > 0 {
      let bar = minP * largest
      for i in weights.indices { weights[i] = weights[i] >= bar ? weights[i] : 0 }
      histogram.fill(weights)
      kept = min(kept, Block.sum(weights))
    }
    if typicalP < 1 {
      var candidates: [Int32] = []
      for i in weights.indices where weights[i] > 0 {
        if let last, logits[i] < logits[Int(last)] || (logits[i] == logits[Int(last)] && i > Int(last)) { continue }
        candidates.append(Int32(truncatingIfNeeded: i))
      }
      return typical(candidates, candidates.map { Double(weights[Int($0)]) })
    }
    return place(.above(random.uniform() * kept), logits).id
  }

  /// The bin of `weights` with which their sum reaches a share; all weights are looked at only where the largest do not.
  private func part(_ share: Share) -> MassHistogram.Part? {
    if let part = histogram.part(share) { return part }
    histogram.fill(weights)
    return histogram.part(share)
  }

  /// The candidate with which the sum of weights reaches a share, and that sum.
  private func place(_ share: Share, _ logits: UnsafeMutableBufferPointer<Float>) -> (id: Int32, sum: Double) {
    guard var part = part(share) else { return (Int32(largestIndex(logits)), 0) }
    // Many of nearly one weight: finer bins.
    for shift in [7, 0] as [UInt32] where part.count > 256 {
      var fine = MassHistogram(low: part.bits.lowerBound, high: part.bits.upperBound, shift: shift)
      fine.fill(weights)
      guard let finer = fine.part(share.less(part.before)) else { break }
      part = .init(bits: finer.bits, before: part.before + finer.before, count: finer.count)
    }
    if part.count > 256 { return placeAmongEquals(share, part) }
    var ids = part.indices(in: weights)
    ids.sort { logits[Int($0)] != logits[Int($1)] ? logits[Int($0)] > logits[Int($1)] : $0 < $1 }
    var sum = part.before
    for id in ids {
      sum += Double(weights[Int(id)])
      if share.isReached(by: sum) { return (id, sum) }
    }
    return (ids.last ?? Int32(largestIndex(logits)), sum)
  }

  /// The same for candidates of one weight, which are taken in order of their ids.
  private func placeAmongEquals(_ share: Share, _ part: MassHistogram.Part) -> (id: Int32, sum: Double) {
    let weight = Double(Float(bitPattern: part.bits.lowerBound))
    var i = min(max(Int(share.less(part.before).goal / weight), 0), part.count - 1)
    // The quotient is rounded.
    while i > 0, share.isReached(by: part.before + Double(i) * weight) { i -= 1 }
    while i < part.count - 1, !share.isReached(by: part.before + Double(i + 1) * weight) { i += 1 }
    return (part.index(i, in: weights) ?? 0, part.before + Double(i + 1) * weight)
  }
}
