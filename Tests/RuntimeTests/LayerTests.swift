// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing
import WeightFile

/// Norms, activations and convolutions against their formulas in double precision.
@Suite struct LayerTests {
  @Test(arguments: [(1, 1), (3, 7), (5, 64), (40, 1000), (1, 4096)]) func layerNorm(tokens: Int, size: Int) throws {
    var random = SeededGenerator(UInt64(size))
    let (weight, bias, x) = (random.floats(size), random.floats(size), random.floats(tokens * size, -5...9))
    let w = try weights([TestTensor("n.weight", [size], weight), TestTensor("n.bias", [size], bias)])
    let norm = try LayerNorm(w["n"], size: size, epsilon: 1e-5)
    let y = try onAnyThreads { ctx in try norm(try ctx.tensor(x, rows: tokens), ctx) }
    var expected: [Double] = []
    for t in 0..<tokens {
      let row = x[t * size..<(t + 1) * size].map(Double.init)
      let mean = row.reduce(0, +) / Double(size)
      let variance = row.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(size)
      for i in 0..<size { expected.append((row[i] - mean) / (variance + 1e-5).squareRoot() * Double(weight[i]) + Double(bias[i])) }
    }
    // f32 sums of `size` values: a few units in the last place.
    #expect(largestError(y, expected) < 5e-6)
  }

  @Test(arguments: [(1, 1), (3, 7), (5, 64), (40, 1000), (1, 4096)]) func rmsNorm(tokens: Int, size: Int) throws {
    var random = SeededGenerator(UInt64(size) + 1)
    let (weight, x) = (random.floats(size), random.floats(tokens * size, -5...9))
    let w = try weights([TestTensor("n.weight", [size], weight)])
    let norm = try RMSNorm(w["n"], size: size, epsilon: 1e-6)
    let y = try onAnyThreads { ctx in
      let t = try ctx.tensor(x, rows: tokens)
      try norm(t, into: t, ctx)  // in place
      return t
    }
    var expected: [Double] = []
    for t in 0..<tokens {
      let row = x[t * size..<(t + 1) * size].map(Double.init)
      let mean = row.map { $0 * $0 }.reduce(0, +) / Double(size)
      for i in 0..<size { expected.append(row[i] / (mean + 1e-6).squareRoot() * Double(weight[i])) }
    }
    #expect(largestError(y, expected) < 5e-6)
  }

  @Test func normsRefuseOtherSizes() throws {
    let w = try weights([TestTensor("n.weight", [8], [Float](repeating: 1, count: 8)), TestTensor("n.bias", [8], [Float](repeating: 0, count: 8))])
    let ctx = context()
    let x = try ctx.arena.tensor(3, 9)
    #expect(throws: RuntimeError.self) { try LayerNorm(w["n"], size: 8, epsilon: 1e-5)(x, ctx) }
    #expect(throws: RuntimeError.self) { try RMSNorm(w["n"], size: 8, epsilon: 1e-5)(x, ctx) }
    #expect(throws: WeightFileError.self) { try RMSNorm(w["n"], size: 9, epsilon: 1e-5) }
    #expect(throws: WeightFileError.self) { try LayerNorm(w["m"], size: 8, epsilon: 1e-5) }
  }

  @Test(arguments: [(1, 1), (3, 5), (7, 33), (40, 1000)]) func activations(tokens: Int, size: Int) throws {
    var random = SeededGenerator(9)
    let x = random.floats(tokens * size, -12...12)
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    let cases: [(Activation, (Double) -> Double)] = [
      (.gelu, { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }),
      (.geluTanh, { $0 * 0.5 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }),
      (.quickGELU, { $0 * sigmoid(1.702 * $0) }),
      (.silu, { $0 * sigmoid($0) }),
      (.relu, { max($0, 0) }),
    ]
    for (activation, formula) in cases {
      let y = try onAnyThreads("\(activation)") { ctx in
        let t = try ctx.tensor(x, rows: tokens)
        activation(t, ctx)
        return t
      }
      #expect(largestError(y, x.map { formula(Double($0)) }) < 2e-6, "\(activation)")
    }
  }

  @Test(arguments: [(1, 1), (3, 5), (20, 700)]) func gatedSiLUAndSum(tokens: Int, size: Int) throws {
    var random = SeededGenerator(10)
    let x = random.floats(tokens * size * 2, -6...6)
    let other = random.floats(tokens * size)
    let y = try onAnyThreads { ctx in
      let y = try siluMultiply(try ctx.tensor(x, rows: tokens), ctx)
      add(try ctx.tensor(other, rows: tokens), to: y, ctx)
      return y
    }
    let expected = (0..<tokens * size).map { i in
      let (gate, up) = (Double(x[i / size * 2 * size + i % size]), Double(x[i / size * 2 * size + size + i % size]))
      return gate / (1 + exp(-gate)) * up + Double(other[i])
    }
    #expect(largestError(y, expected) < 2e-6)
  }

  @Test(arguments: [(1, 1, 3), (1, 5, 8), (4, 1, 17), (7, 9, 40), (40, 40, 24)]) func depthwiseConvolution(
    height: Int, width: Int, channels: Int
  ) throws {
    var random = SeededGenerator(11)
    let (weight, bias, x) = (random.floats(9 * channels), random.floats(channels), random.floats(height * width * channels))
    let w = try weights([TestTensor("c.weight", [9, channels], weight), TestTensor("c.bias", [channels], bias)])
    let convolution = try DepthwiseConvolution3x3(w["c"], channels: channels)
    let y = try onAnyThreads { ctx in
      try convolution(try ctx.tensor(x, rows: height * width), height: height, width: width, rows: 0..<height, ctx)
    }
    let some = height / 3..<(2 * height + 2) / 3
    let part = try onAnyThreads { ctx in
      try convolution(try ctx.tensor(x, rows: height * width), height: height, width: width, rows: some, ctx)
    }
    #expect(part == Array(y[some.lowerBound * width * channels..<some.upperBound * width * channels]))
    var expected: [Double] = []
    for row in 0..<height {
      for column in 0..<width {
        for c in 0..<channels {
          var sum = Double(bias[c])
          for ky in -1...1 {
            for kx in -1...1 where (0..<height).contains(row + ky) && (0..<width).contains(column + kx) {
              sum += Double(x[((row + ky) * width + column + kx) * channels + c]) * Double(weight[((ky + 1) * 3 + kx + 1) * channels + c])
            }
          }
          expected.append(sum)
        }
      }
    }
    #expect(largestError(y, expected) < 1e-6)
  }

  @Test(arguments: [(1, 4, 4, 4), (2, 8, 12, 4), (3, 10, 7, 3), (2, 56, 56, 14)])
  func patchEmbeddingIsAConvolutionOfStridePatch(batch: Int, height: Int, width: Int, patch: Int) throws {
    var random = SeededGenerator(12)
    let size = 20
    let inputs = 3 * patch * patch
    let (weight, bias, pixels) = (random.floats(size * inputs), random.floats(size), random.floats(batch * 3 * height * width))
    let w = try weights([try TestTensor("p.weight", weight, size, inputs, .f32x16), TestTensor("p.bias", [size], bias)])
    let embedding = try PatchEmbedding(w["p"], patchSize: patch, size: size)
    let y = try onAnyThreads { ctx in try embedding(pixels, batch: batch, height: height, width: width, ctx) }
    var expected: [Double] = []
    for image in 0..<batch {
      for row in 0..<height / patch {
        for column in 0..<width / patch {
          for o in 0..<size {
            var sum = Double(bias[o])
            for channel in 0..<3 {
              for dy in 0..<patch {
                for dx in 0..<patch {
                  let pixel = pixels[((image * 3 + channel) * height + row * patch + dy) * width + column * patch + dx]
                  sum += Double(pixel) * Double(weight[o * inputs + (channel * patch + dy) * patch + dx])
                }
              }
            }
            expected.append(sum)
          }
        }
      }
    }
    #expect(largestError(y, expected) < 3e-6)
  }

  @Test func patchesNeedAnImageOfTheirSize() throws {
    let w = try weights([try TestTensor("p.weight", [Float](repeating: 0, count: 4 * 48), 4, 48, .f32x16)])
    let embedding = try PatchEmbedding(w["p"], patchSize: 4, size: 4)
    let ctx = context()
    #expect(throws: RuntimeError.self) { try embedding([0], batch: 1, height: 3, width: 100, ctx) }
    #expect(throws: RuntimeError.self) { try embedding([0], batch: 0, height: 4, width: 4, ctx) }
    #expect(throws: WeightFileError.self) { try PatchEmbedding(w["p"], patchSize: .max, size: 4) }
  }
}
