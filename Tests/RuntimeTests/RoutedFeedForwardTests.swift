// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing
import WeightFile

@Suite struct RoutedFeedForwardTests {
  /// The numbers of tools/reference/routed_fixtures.py.
  private static func numbers(_ seed: Int, _ count: Int, times factor: Float = 1) -> [Float] {
    (0..<count).map { factor * Float(($0 * $0 * 3 + $0 * 37 + seed * 17) % 251 - 125) / 512 }
  }

  private func model(
    _ c: RoutedFixtures.Case, _ encoding: TensorEncoding = .f32x16, only: Set<Int>? = nil
  ) throws -> RoutedFeedForward {
    let (h, m, n, s) = (RoutedFixtures.hiddenSize, RoutedFixtures.intermediateSize, RoutedFixtures.experts, c.sharedSize)
    var gateUp = Self.numbers(2, n * 2 * m * h)
    if let only {
      for e in 0..<n where !only.contains(e) { for i in 0..<2 * m * h { gateUp[e * 2 * m * h + i] = .nan } }
    }
    var tensors = [
      try TestTensor("router.weight", Self.numbers(1, n * h, times: 4), n, h, .f32x16),
      try TestTensor("experts.gateUp.weight", gateUp, matrices: n, 2 * m, h, encoding),
      try TestTensor("experts.contract.weight", Self.numbers(3, n * h * m), matrices: n, h, m, encoding),
    ]
    if s > 0 {
      tensors.append(try TestTensor("shared.gateUp.weight", Self.numbers(4, s * h) + Self.numbers(5, s * h), 2 * s, h, encoding))
      tensors.append(try TestTensor("shared.contract.weight", Self.numbers(6, h * s), h, s, encoding))
    }
    if c.hasSharedGate { tensors.append(try TestTensor("shared.gate.weight", Self.numbers(7, h), 1, h, .f32x16)) }
    return try RoutedFeedForward(
      weights(tensors), hiddenSize: h, experts: n, intermediateSize: m, sharedSize: s, routing: c.routing)
  }

  private let input = numbers(0, RoutedFixtures.tokens * RoutedFixtures.hiddenSize, times: 8)

  @Test(arguments: RoutedFixtures.cases) func itIsTransformers(_ c: RoutedFixtures.Case) throws {
    let layer = try model(c)
    let y = try onAnyThreads(c.name) { ctx in try layer(ctx.tensor(input, rows: RoutedFixtures.tokens), ctx) }
    #expect(largestError(y, c.expected.map(Double.init)) < 2e-6, "\(c.name)")
    // int8 keeps about three digits.
    let small = try model(c, .q8x16)
    let z = try onAnyThreads(c.name) { ctx in try small(ctx.tensor(input, rows: RoutedFixtures.tokens), ctx) }
    #expect(largestError(z, c.expected.map(Double.init)) < 3e-2, "\(c.name)")
  }

  @Test(arguments: RoutedFixtures.cases) func tokensAloneGiveWhatTokensTogetherGive(_ c: RoutedFixtures.Case) throws {
    for encoding in [TensorEncoding.f32x16, .q8x16] {
      let layer = try model(c, encoding)
      let (h, ctx) = (RoutedFixtures.hiddenSize, context())
      let together = try layer(ctx.tensor(input, rows: RoutedFixtures.tokens), ctx).values
      for t in 0..<RoutedFixtures.tokens {
        let row = Array(input[t * h..<(t + 1) * h])
        #expect(try layer(ctx.tensor(row, rows: 1), ctx).values == Array(together[t * h..<(t + 1) * h]), "\(c.name), token \(t)")
      }
    }
  }

  @Test func manyTokensPassInParts() throws {
    let c = RoutedFixtures.cases[2]
    let layer = try model(c)
    let copies = 150  // of five tokens: some expert gets more than one part holds
    let many = (0..<copies).flatMap { _ in input }
    let y = try onAnyThreads { ctx in try layer(ctx.tensor(many, rows: copies * RoutedFixtures.tokens), ctx) }
    #expect(largestError(y, (0..<copies).flatMap { _ in c.expected.map(Double.init) }) < 2e-6)
  }

  @Test func expertsThatNobodyChoseAreNotRead() throws {
    let c = RoutedFixtures.cases[0]
    let (h, ctx) = (RoutedFixtures.hiddenSize, context())
    let token = Array(input[..<h])
    let expected = try model(c)(ctx.tensor(token, rows: 1), ctx).values
    // With NaN in all experts but two, one pair alone leaves the answer as it was.
    let pairs = (0..<RoutedFixtures.experts).flatMap { a in (0..<a).map { Set([a, $0]) } }
    let right = try pairs.filter { try model(c, only: $0)(ctx.tensor(token, rows: 1), ctx).values == expected }
    #expect(right.count == 1)
  }

  @Test(arguments: RoutedFixtures.cases) func aTokenOfNaNsIsOneByItself(_ c: RoutedFixtures.Case) throws {
    let layer = try model(c)
    let h = RoutedFixtures.hiddenSize
    var spoilt = input
    for i in 2 * h..<3 * h { spoilt[i] = .nan }
    let y = try onAnyThreads(c.name) { ctx in try layer(ctx.tensor(input, rows: RoutedFixtures.tokens), ctx) }
    let ctx = context()
    let z = try layer(ctx.tensor(spoilt, rows: RoutedFixtures.tokens), ctx).values
    for t in 0..<RoutedFixtures.tokens where t != 2 { #expect(z[t * h..<(t + 1) * h].map(Double.init) == y[t * h..<(t + 1) * h].map(Double.init)) }
    #expect(z[2 * h..<3 * h].allSatisfy { $0.isNaN })
  }

  @Test func itsBytesPerTokenAreTheChosenExperts() throws {
    let c = RoutedFixtures.cases[0]
    let (h, m) = (RoutedFixtures.hiddenSize, RoutedFixtures.intermediateSize)
    #expect(try model(c).bytesPerToken == 4 * (16 * h + 2 * (2 * m * h + h * m)))
  }

  @Test func wrongShapesAreErrors() throws {
    let c = RoutedFixtures.cases[0]
    let ctx = context()
    #expect(throws: RuntimeError.self) { try model(c)(ctx.arena.tensor(3, 31), ctx) }
    for routing in [0, 9].map({ ExpertRouting(expertsPerToken: $0, renormalises: true) }) {
      let wrong = RoutedFixtures.Case(name: "", routing: routing, sharedSize: 0, hasSharedGate: false, expected: [])
      #expect(throws: RuntimeError.self) { try model(wrong)(ctx.tensor(input, rows: RoutedFixtures.tokens), ctx) }
    }
    let w = try weights([try TestTensor("a.weight", Self.numbers(2, 3 * 16 * 8), matrices: 3, 16, 8, .f32x16)])
    #expect(try w["a"].matrices("weight", count: 3, outputs: 16, inputs: 8).count == 3)
    #expect(throws: WeightFileError.self) { try w["a"].matrices("weight", count: 2, outputs: 16, inputs: 8) }
    #expect(throws: WeightFileError.self) { try w["a"].matrix("weight", outputs: 16, inputs: 8) }
  }

  @Test(arguments: RoutedFixtures.attentions, [false, true])
  func valuesMayBeOfAnotherSizeThanKeys(_ c: RoutedFixtures.Attention, inMemoryOfAHost: Bool) throws {
    let (k, v) = (c.keySize, c.valueSize)
    let (query, key) = (Self.numbers(11, 7 * 4 * k, times: 8), Self.numbers(12, 7 * 2 * k, times: 8))
    let value = Self.numbers(13, 7 * 2 * v)
    for (type, bound) in [(CacheType.float32, 5e-6), (.float16, 2e-3), (.int8, 3e-2)] {
      let y = try onAnyThreads { ctx in
        let cache = try KVCache(layers: 1, kvHeads: 2, headSize: k, valueSize: v, capacity: 9, type: type, host: inMemoryOfAHost ? spoiltMemory : nil)
        let x = try ctx.tensor(query, rows: 7)
        let whole = try ctx.arena.tensor(7, 4 * v)
        for positions in [0..<5, 5..<6, 6..<7] {
          try key.withUnsafeBufferPointer { key in
            try value.withUnsafeBufferPointer { value in
              try cache.append(
                layer: 0, key: key.baseAddress! + positions.lowerBound * 2 * k, value: value.baseAddress! + positions.lowerBound * 2 * v,
                tokens: positions.count, stride: 2 * k, valueStride: 2 * v, ctx)
            }
          }
          let part = try causalAttention(
            query: x[positions.lowerBound], queryStride: x.columns, parts: [SequencePart(cache, rows: 0..<positions.count)], layer: 0, heads: 4, ctx)
          copy(part, to: whole.slice(rows: positions), ctx)
        }
        return whole
      }
      #expect(largestError(y, c.expected.map(Double.init)) < bound, "\(type)")
    }
  }
}
