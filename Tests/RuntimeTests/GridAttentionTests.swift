// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing
import WeightFile

@Suite struct GridAttentionTests {
  private func positions(_ tables: [[Float]], side: Int, headSize: Int) throws -> RelativePositions {
    let w = try weights(
      try zip(["rows", "columns"], tables).map { try TestTensor("p.\($0).weight", $1, 2 * side - 1, headSize, .f32x16) })
    return try RelativePositions(w["p"], side: side, headSize: headSize)
  }

  /// Against sums written out: grids smaller and larger than a kernel's block of 64 keys, several grids, heads of any size.
  @Test(arguments: [(1, 1, 1, 4), (3, 2, 2, 8), (5, 3, 3, 5), (9, 1, 2, 16), (14, 2, 1, 64)])
  func givesTheSumsOfTheFormula(side: Int, batch: Int, heads: Int, headSize: Int) throws {
    let (n, size) = (side * side, heads * headSize)
    var random = SeededGenerator(UInt64(side * 100 + heads))
    let qkv = random.floats(batch * n * 3 * size)
    let tables = (0..<2).map { _ in random.floats((2 * side - 1) * headSize) }
    let positions = try positions(tables, side: side, headSize: headSize)
    let y = try onAnyThreads("grid attention") { ctx in
      try gridAttention(qkv: ctx.heads(qkv, rows: batch * n, headSize: headSize), batch: batch, positions: positions, ctx)
    }

    var expected = [Double](repeating: 0, count: batch * n * size)
    for grid in 0..<batch {
      for head in 0..<heads {
        func value(_ token: Int, _ part: Int, _ d: Int) -> Double {
          Double(qkv[(grid * n + token) * 3 * size + part * size + head * headSize + d])
        }
        for i in 0..<n {
          let scores = (0..<n).map { j in
            (0..<headSize).reduce(0.0) { sum, d in
              let row = Double(tables[0][(j / side - i / side + side - 1) * headSize + d])
              let column = Double(tables[1][(j % side - i % side + side - 1) * headSize + d])
              return sum + value(i, 0, d) * (value(j, 1, d) / Double(headSize).squareRoot() + row + column)
            }
          }
          let largest = scores.max() ?? 0
          let shares = scores.map { exp($0 - largest) }
          let total = shares.reduce(0, +)
          for d in 0..<headSize {
            expected[(grid * n + i) * size + head * headSize + d] = (0..<n).reduce(0.0) { $0 + shares[$1] / total * value($1, 2, d) }
          }
        }
      }
    }
    #expect(largestError(y, expected) < 1e-5)
  }

  @Test func refusesWrongShapes() throws {
    let tables = [[Float]](repeating: [Float](repeating: 0, count: 20), count: 2)
    let p = try positions(tables, side: 3, headSize: 4)
    #expect(throws: WeightFileError.self) {
      let w = try weights([TestTensor("p.rows.weight", tables[0], 5, 4, .f16x16), TestTensor("p.columns.weight", tables[1], 5, 4, .f32x16)])
      _ = try RelativePositions(w["p"], side: 3, headSize: 4)
    }
    let ctx = context()
    for (batch, heads, headSize) in [(1, 2, 4), (2, 3, 4), (0, 3, 4), (1, 3, 8)] {
      let x = try HeadRows(heads: heads, rows: 9, headSize: headSize, ctx)
      #expect(throws: RuntimeError.self) { _ = try gridAttention(qkv: x, batch: batch, positions: p, ctx) }
    }
  }
}

@Suite struct Convolution3x3Tests {
  /// Against the sum written out; more than one chunk of pixels in the last case.
  @Test(arguments: [(1, 1, 2, 3, 1), (5, 4, 3, 17, 1), (5, 4, 3, 5, 2), (6, 6, 4, 16, 2), (40, 30, 2, 3, 1)])
  func givesTheSumsOfTheFormula(height: Int, width: Int, channels: Int, outputs: Int, stride: Int) throws {
    var random = SeededGenerator(UInt64(height * width + stride))
    let x = random.floats(height * width * channels)
    let weight = random.floats(outputs * 9 * channels)
    let w = try weights([try TestTensor("c.weight", weight, outputs, 9 * channels, .f32x16)])
    let convolution = try Convolution3x3(w["c"], from: channels, to: outputs, stride: stride)
    let y = try onAnyThreads("convolution") { ctx in
      try convolution(ctx.tensor(x, rows: height * width), height: height, width: width, ctx)
    }
    var expected: [Double] = []
    for row in 0...(height - 1) / stride {
      for column in 0...(width - 1) / stride {
        for o in 0..<outputs {
          var sum = 0.0
          for k in 0..<9 {
            let (py, px) = (row * stride + k / 3 - 1, column * stride + k % 3 - 1)
            guard (0..<height).contains(py), (0..<width).contains(px) else { continue }
            for c in 0..<channels {
              sum += Double(x[(py * width + px) * channels + c]) * Double(weight[(o * 9 + k) * channels + c])
            }
          }
          expected.append(sum)
        }
      }
    }
    #expect(largestError(y, expected) < 1e-5)
  }
}
