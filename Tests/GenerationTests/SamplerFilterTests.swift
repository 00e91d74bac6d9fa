// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Kernels
import Testing

/// top_k, top_p, min_p and typical_p together, against the definitions as transformers has them.
@Suite struct SamplerFilterTests {
  /// The tokens that are kept, and their probabilities.
  private func kept(_ logits: [Float], _ o: GenerateOptions) -> [Int: Double] {
    var order = logits.indices.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    var p: [Int: Double] = [:]
    func renew() {
      let z = order.map { exp(Double(logits[$0] - logits[order[0]]) / Double(o.temperature)) }
      let total = z.reduce(0, +)
      p = Dictionary(uniqueKeysWithValues: zip(order, z.map { $0 / total }))
    }
    if o.topK > 0 { order = Array(order.prefix(o.topK)) }
    renew()
    var sum = 0.0
    let count =
      order.firstIndex {
        sum += p[$0, default: 0]; return sum >= Double(o.topP)
      }.map { $0 + 1 } ?? order.count
    if o.topP < 1 { order = Array(order.prefix(count)) }
    renew()
    order = order.filter { p[$0, default: 0] >= Double(o.minP) * p[order[0], default: 0] }
    renew()
    if o.typicalP < 1 {
      let entropy = -order.reduce(0) { $0 + p[$1, default: 0] * log(p[$1, default: 0]) }
      let byDistance = order.sorted { abs(-log(p[$0, default: 0]) - entropy) < abs(-log(p[$1, default: 0]) - entropy) }
      sum = 0
      var chosen: [Int] = []
      for id in byDistance where sum < Double(o.typicalP) {
        sum += p[id, default: 0]
        chosen.append(id)
      }
      order = order.filter { chosen.contains($0) }
      renew()
    }
    return p.filter { order.contains($0.key) }
  }

  @Test(arguments: [
    (0, Float(1), Float(0.1), Float(1)), (0, 1, 0, 0.7), (0, 0.9, 0.02, 1), (20, 0.95, 0.05, 0.6), (0, 0.8, 0, 0.5), (0, 1, 0.001, 0.9),
    (5, 1, 0.5, 1), (0, 1, 1, 1), (0, 1, 0, 0.01),
  ])
  func tokensAreThoseOfTheDefinition(_ topK: Int, _ topP: Float, _ minP: Float, _ typicalP: Float) throws {
    var random = SystemRandomNumberGenerator()
    let count = 400
    var o = GenerateOptions()
    (o.temperature, o.topK, o.topP, o.minP, o.typicalP, o.seed) = (0.8, topK, topP, minP, typicalP, random.next())
    let logits = (0..<count).map { _ in Float.random(in: -6...3, using: &random) }
    let expected = kept(logits, o)
    let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { scratch.deallocate() }
    let sampler = Sampler(o, KernelTable.best(), scratch: scratch)
    var counts: [Int: Int] = [:]
    let draws = 20_000
    for _ in 0..<draws {
      var copy = logits
      counts[copy.withUnsafeMutableBufferPointer { Int(sampler.next($0)) }, default: 0] += 1
    }
    #expect(Set(counts.keys).isSubset(of: Set(expected.keys)), "\(counts.count) of \(expected.count), seed \(o.seed)")
    for (id, p) in expected {
      // Six standard deviations.
      let bound = 6 * (p * (1 - p) / Double(draws)).squareRoot() + 1e-9
      #expect(abs(Double(counts[id] ?? 0) / Double(draws) - p) <= bound, "token \(id): \(counts[id] ?? 0) of \(draws), p \(p), seed \(o.seed)")
    }
  }

  @Test func penaltiesCountWithinTheirWindow() {
    func after(_ window: TokenPenalties.Window, _ prompt: [Int32], _ answer: [Int32]) -> [Float] {
      let p = TokenPenalties(repetition: 2, frequency: 1, presence: 0.5, window: window, prompt: prompt)
      for id in answer { p.accept(id) }
      var logits: [Float] = [4, 4, -4, 4]
      logits.withUnsafeMutableBufferPointer { p.process($0) }
      return logits
    }
    #expect(after(.answer, [0, 0, -1], [1, 2, 2]) == [4, 0.5, -10.5, 4])
    #expect(after(.promptAndAnswer, [0, 0, -1], [2]) == [-0.5, 4, -9.5, 4])
    #expect(after(.last(2), [0, 3], [2]) == [4, 4, -9.5, 0.5])
    #expect(after(.last(2), [0, 3], [2, 2, 1]) == [4, 0.5, -9.5, 4])
    #expect(after(.last(3), [], [9, 1, 1, 1]) == [4, -1.5, -4, 4])
  }
}
