// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@Suite struct RotaryEmbeddingTests {
  /// The numbers of `feature_map` in tools/reference/runtime_fixtures.py.
  private func sample(_ count: Int) -> [Float] { (0..<count).map { Float(($0 * 37 + 11) % 101) / 32 - 1.5 } }

  @Test(arguments: TorchFixtures.rotations) func frequenciesArePyTorchs(r: TorchFixtures.Rotation) {
    let ours = RotaryEmbedding.frequencies(headSize: r.headSize, theta: r.theta, scaling: r.scaling)
    #expect(ours.count == r.frequencies.count)
    for (a, b) in zip(ours, r.frequencies) { #expect(abs(a - b) <= b.ulp) }
  }

  @Test(arguments: TorchFixtures.rotations) func headsTurnAsInTransformers(r: TorchFixtures.Rotation) throws {
    let rope = RotaryEmbedding(headSize: r.headSize, theta: r.theta, scaling: r.scaling)
    let y = try onAnyThreads { ctx in
      let x = try ctx.tensor(sample(4 * 2 * r.headSize), rows: 4)
      for (token, position) in [0, 1, 7, 2047].enumerated() {
        rope(x[token], stride: x.columns, tokens: 1, heads: 2, firstPosition: position, ctx)
      }
      return x
    }
    // Angles up to 2047 in f32: one unit in their last place is 1.2e-4, where powf differs by one unit from PyTorch's.
    #expect(largestError(y, r.turned.map(Double.init)) < 2e-4)
  }

  @Test func aRunOfTokensTurnsAsEachAlone() throws {
    var random = SeededGenerator(30)
    let rope = RotaryEmbedding(headSize: 16, theta: 10000)
    // Over the edges of the table's blocks; three of four heads of each row.
    let (tokens, first, stride) = (300, 100, 64)
    let x = random.floats(tokens * stride)
    let together = try onAnyThreads { ctx in
      let t = try ctx.tensor(x, rows: tokens)
      rope(t.data, stride: stride, tokens: tokens, heads: 3, firstPosition: first, ctx)
      return t
    }
    let ctx = context(threads: 1)
    let fresh = RotaryEmbedding(headSize: 16, theta: 10000)
    let alone = try ctx.tensor(x, rows: tokens)
    for token in (0..<tokens).reversed() {
      for head in 0..<3 { fresh(alone[token] + head * 16, stride: 0, tokens: 1, heads: 1, firstPosition: first + token, ctx) }
    }
    #expect(together.map(\.bitPattern) == alone.values.map(\.bitPattern))
    for token in 0..<tokens {
      #expect(Array(together[token * stride + 48..<(token + 1) * stride]) == Array(x[token * stride + 48..<(token + 1) * stride]))
    }
  }

  @Test func positionsFarBeyondAnyContextStillTurn() {
    let ctx = context(threads: 1)
    let rope = RotaryEmbedding(headSize: 4, theta: 10000)
    for position in [-1, 1 << 20, 1 << 30, Int.max / 2] {
      var x: [Float] = [3, 4, 1, 2]
      rope(&x, stride: 4, tokens: 1, heads: 1, firstPosition: position, ctx)
      // A rotation keeps lengths.
      #expect(abs(x[0] * x[0] + x[2] * x[2] - 10) < 1e-4)
      #expect(abs(x[1] * x[1] + x[3] * x[3] - 20) < 1e-4)
    }
  }

  @Test func manyThreadsMayGrowTheTableAtOnce() {
    for _ in 0..<50 {
      let rope = RotaryEmbedding(headSize: 8, theta: 10000)
      let ctx = context(threads: 4)
      let wrong = Flag()
      ctx.pool.run(64) { i in
        var (x, y): ([Float], [Float]) = ([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8])
        let alone = context(threads: 1)
        rope(&x, stride: 8, tokens: 1, heads: 1, firstPosition: i / 4 * 100, alone)
        RotaryEmbedding(headSize: 8, theta: 10000)(&y, stride: 8, tokens: 1, heads: 1, firstPosition: i / 4 * 100, alone)
        if x != y { wrong.add() }
      }
      #expect(wrong.value == 0)
    }
  }
}
