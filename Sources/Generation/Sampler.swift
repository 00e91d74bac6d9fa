// SPDX-License-Identifier: Apache-2.0

/// Picks the next token from logits. Deterministic for a seed.
package struct Sampler {
  private let options: GenerateOptions
  private var state: UInt64
  /// Scratch, reused between tokens: candidates in order of falling logit.
  private var candidates: [(id: Int32, logit: Float)] = []

  package init(_ options: GenerateOptions) {
    self.options = options
    state = options.seed
  }

  /// - Parameters:
  ///   - logits: `[vocabSize]`, changed by the repetition penalty.
  ///   - previous: ids generated so far.
  package mutating func next(_ logits: UnsafeMutableBufferPointer<Float>, previous: [Int32]) -> Int32 {
    if options.repetitionPenalty != 1 { penalise(logits, previous) }
    guard options.temperature > 0 else { return likeliest(logits) }
    return sample(logits)
  }

  /// Index of the largest value; the first of equals. NaN never wins over a number.
  private func likeliest(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
    var best = 0
    for i in 1..<max(1, logits.count) where logits[i] > logits[best] || logits[best].isNaN { best = i }
    return Int32(best)
  }

  private func penalise(_ logits: UnsafeMutableBufferPointer<Float>, _ previous: [Int32]) {
    var seen: [Int32] = previous
    seen.sort()
    var last: Int32 = -1
    for id in seen where id != last {
      last = id
      let value = logits[Int(id)]
      logits[Int(id)] = value > 0 ? value / options.repetitionPenalty : value * options.repetitionPenalty
    }
  }

  private mutating func sample(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
    candidates.removeAll(keepingCapacity: true)
    for (i, value) in logits.enumerated() where !value.isNaN { candidates.append((Int32(i), value)) }
    guard !candidates.isEmpty else { return 0 }
    candidates.sort { $0.logit != $1.logit ? $0.logit > $1.logit : $0.id < $1.id }
    if options.topK > 0, options.topK < candidates.count { candidates.removeLast(candidates.count - options.topK) }

    let top = Double(candidates[0].logit)
    let inverse = 1 / Double(options.temperature)
    var total = 0.0
    for c in candidates { total += exponential((Double(c.logit) - top) * inverse) }
    // Nucleus: the shortest prefix that holds topP of the whole (arXiv:1904.09751).
    var kept = 0.0
    var count = 0
    for c in candidates {
      kept += exponential((Double(c.logit) - top) * inverse)
      count += 1
      if kept >= Double(options.topP) * total { break }
    }
    var left = uniform() * kept
    for c in candidates.prefix(count) {
      left -= exponential((Double(c.logit) - top) * inverse)
      if left < 0 { return c.id }
    }
    return candidates[count - 1].id
  }

  /// SplitMix64, the upper 53 bits as a number in 0 ..< 1.
  private mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    return Double(z >> 11) * 0x1p-53
  }
}
