// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Kernels
import TestSupport
import Testing

@Suite struct SamplerTests {
  /// A sampler with memory of its own.
  private final class Owned {
    let sampler: Sampler
    private let scratch: UnsafeMutableBufferPointer<Float>

    init(vocabulary: Int, _ change: (inout GenerateOptions) -> Void = { _ in }) {
      var o = GenerateOptions()
      change(&o)
      scratch = .allocate(capacity: vocabulary)
      sampler = Sampler(o, KernelTable.best(), scratch: scratch)
    }

    deinit { scratch.deallocate() }

    func next(_ logits: [Float]) -> Int32 {
      var copy = logits
      return copy.withUnsafeMutableBufferPointer { sampler.next($0) }
    }
  }

  @Test func greedyTakesTheFirstOfTheLargest() {
    #expect(Owned(vocabulary: 4).next([1, 3, 3, 2]) == 1)
    #expect(Owned(vocabulary: 3).next([.nan, -5, -4]) == 2)
    #expect(Owned(vocabulary: 2).next([.nan, .nan]) >= 0)
    for place in [0, 1, 15, 16, 17, 40, 99] {
      var logits = [Float](repeating: -2, count: 100)
      logits[place] = -1
      logits[99] = -1
      #expect(Owned(vocabulary: 100).next(logits) == Int32(place))
    }
  }

  @Test func topKOfOneIsGreedy() {
    let s = Owned(vocabulary: 3) { ($0.temperature, $0.topK) = (5, 1) }
    for _ in 0..<50 { #expect(s.next([0, 1, 0.5]) == 1) }
  }

  @Test func frequenciesFollowTheSoftmax() {
    let s = Owned(vocabulary: 3) { ($0.temperature, $0.seed) = (1, 11) }
    var counts = [0, 0, 0]
    for _ in 0..<20000 { counts[Int(s.next([0, log(2), log(5)]))] += 1 }
    // Expected shares 1/8, 2/8, 5/8; four standard deviations are below 0.014.
    #expect(abs(Double(counts[0]) / 20000 - 0.125) < 0.014)
    #expect(abs(Double(counts[1]) / 20000 - 0.25) < 0.014)
  }

  @Test(arguments: [Float.leastNonzeroMagnitude, 1e-40, .leastNormalMagnitude, 1e-30]) func theColdestTakeTheLikeliest(temperature: Float) {
    for change in [{ _ in }, { $0.topK = 20 }, { $0.topP = 0.5 }, { $0.minP = 0.1 }] as [(inout GenerateOptions) -> Void] {
      let s = Owned(vocabulary: 100) {
        $0.temperature = temperature
        change(&$0)
      }
      var logits = (0..<100).map { Float($0 * 37 % 97) / 10 }
      logits[41] = 30
      for _ in 0..<5 { #expect(s.next(logits) == 41) }
    }
  }

  @Test func topPLeavesTheTailOut() {
    let s = Owned(vocabulary: 3) { ($0.temperature, $0.topP) = (1, 0.6) }
    for _ in 0..<200 { #expect(s.next([0, log(2), log(5)]) == 2) }
  }

  @Test func bannedTokensAndNaNAreNeverChosen() {
    for topK in [0, 2] {
      let s = Owned(vocabulary: 5) { ($0.temperature, $0.topK) = (3, topK) }
      for _ in 0..<300 { #expect([1, 3].contains(s.next([-.infinity, 0, .nan, 0.1, -.infinity]))) }
    }
    let s = Owned(vocabulary: 2) { $0.temperature = 1 }
    #expect(s.next([-.infinity, -.infinity]) >= 0)
  }

  /// All in f64, the vocabulary sorted: with top-k a draw in order; without it draws in order of ids until one lies in the nucleus, each from what
  /// stands before the last.
  private func reference(_ logits: [Float], _ o: GenerateOptions) -> Int32 {
    var c = logits.indices.filter { !logits[$0].isNaN }.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    let isCut = o.topK > 0 && o.topK < c.count
    if isCut { c.removeLast(c.count - o.topK) }
    let weights = c.map { exp((Double(logits[$0]) - Double(logits[c[0]])) / Double(o.temperature)) }
    let total = weights.reduce(0, +)
    var (kept, count) = (0.0, 0)
    for w in weights {
      kept += w
      count += 1
      if kept >= Double(o.topP) * total { break }
    }
    var random = Uniforms(seed: o.seed)
    if isCut { return Int32(c[drawn(weights.prefix(count), random.next() * kept)]) }
    var end = c.count
    while true {
      let byID = (0..<end).sorted { c[$0] < c[$1] }
      let place = byID[drawn(byID.map { weights[$0] }[...], random.next() * weights[..<end].reduce(0, +))]
      if place < count { return Int32(c[place]) }
      end = place
    }
  }

  /// Where the sum of weights exceeds a goal.
  private func drawn(_ weights: ArraySlice<Double>, _ goal: Double) -> Int {
    var left = goal
    for (i, weight) in weights.enumerated() {
      left -= weight
      if left < 0 { return i }
    }
    return weights.count - 1
  }

  /// Peaked, middling, flat and equal logits, with and without top-k and top-p: the same tokens for the same seeds.
  @Test func tokensAreThoseOfTheSortedVocabulary() {
    var numbers = Numbers(seed: 4)
    for (spread, vocabulary) in [(12, 3000), (3, 3000), (0.2, 20_000), (0.002, 5000), (0, 700)] as [(Float, Int)] {
      let logits = (0..<vocabulary).map { _ in (0..<4).reduce(Float(0)) { s, _ in s + numbers.float(spread) } }
      for (topK, topP) in [(0, 1), (0, 0.9), (0, 0.3), (40, 1), (40, 0.9), (1000, 0.95)] as [(Int, Float)] {
        for temperature in [0.3, 1, 1.7] as [Float] {
          for seed in 0..<6 as Range<UInt64> {
            var o = GenerateOptions()
            (o.temperature, o.topK, o.topP, o.seed) = (temperature, topK, topP, seed)
            let found = Owned(vocabulary: vocabulary) { $0 = o }.next(logits)
            let expected = reference(logits, o)
            #expect(found == expected, "spread \(spread), top-k \(topK), top-p \(topP), temperature \(temperature), seed \(seed)")
          }
        }
      }
    }
  }

  /// A vocabulary of Qwen's size, from peaked to flat.
  @Test func tokensOfALargeVocabularyAreThoseOfTheSortedOne() {
    var numbers = Numbers(seed: 7)
    let noise = (0..<152_000).map { _ in (0..<4).reduce(Float(0)) { s, _ in s + numbers.float(1) } }
    for (spread, peak) in [(3, 14), (1, 0), (0.01, 0), (8, 0)] as [(Float, Float)] {
      let logits = noise.indices.map { noise[$0] * spread + ($0 % 30_000 == 7 ? peak : 0) }
      for (topP, seed) in [(1, 0), (1, 1), (0.9, 2), (0.5, 3)] as [(Float, UInt64)] {
        var o = GenerateOptions()
        (o.temperature, o.topP, o.seed) = (1, topP, seed)
        let found = Owned(vocabulary: logits.count) { $0 = o }.next(logits)
        #expect(found == reference(logits, o), "spread \(spread), top-p \(topP), seed \(seed)")
      }
    }
  }

  /// Pearson's test over 40 groups of ids, of the nucleus and of the whole.
  @Test(arguments: [1, 0.9] as [Float]) func manyDrawsFollowTheDistribution(topP: Float) {
    var numbers = Numbers(seed: 3)
    let logits = (0..<6000).map { _ in (0..<4).reduce(Float(0)) { s, _ in s + numbers.float(1.5) } }
    let order = logits.indices.sorted { logits[$0] > logits[$1] }
    let weights = order.map { exp(Double(logits[$0])) }
    let total = weights.reduce(0, +)
    var (expected, kept) = ([Double](repeating: 0, count: 40), 0.0)
    for (id, weight) in zip(order, weights) where kept < Double(topP) * total {
      expected[id % 40] += weight
      kept += weight
    }
    let s = Owned(vocabulary: logits.count) { ($0.temperature, $0.topP, $0.seed) = (1, topP, 5) }
    var counts = [Double](repeating: 0, count: 40)
    for _ in 0..<8000 { counts[Int(s.next(logits)) % 40] += 1 }
    let statistic = zip(counts, expected).reduce(0.0) { $0 + ($1.0 - $1.1 / kept * 8000) * ($1.0 - $1.1 / kept * 8000) / ($1.1 / kept * 8000) }
    // 39 degrees of freedom: 99.99 % of samples stay below 81.
    #expect(statistic < 81)
  }

  /// The sampler's random numbers (SplitMix64).
  private struct Uniforms {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> Double {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
    }
  }
}
