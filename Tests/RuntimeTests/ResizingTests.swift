// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

/// Interpolation and pooling of feature maps against PyTorch, and against formulas for more channels.
@Suite struct ResizingTests {
  /// The numbers of `feature_map` in tools/reference/runtime_fixtures.py.
  private func sample(_ count: Int) -> [Float] { (0..<count).map { Float(($0 * 37 + 11) % 101) / 32 - 1.5 } }

  @Test(arguments: TorchFixtures.interpolations) func interpolatesAsPyTorch(r: TorchFixtures.Resize) throws {
    let mode = try #require(r.mode)
    let y = try onAnyThreads("\(mode)") { ctx in
      let x = try ctx.tensor(sample(r.height * r.width * 2), rows: r.height * r.width)
      return try mode(x, height: r.height, width: r.width, toHeight: r.toHeight, toWidth: r.toWidth, ctx)
    }
    // PyTorch's weights and sums differ by roundings: its own f32 result is up to 3e-6 from its f64 result on such maps.
    #expect(largestError(y, r.expected.map(Double.init)) < (mode == .nearest ? 1e-9 : 1e-6))
  }

  @Test(arguments: [Interpolation.bicubic, .bilinear, .nearest]) func everyChannelIsResizedByItself(mode: Interpolation) throws {
    var random = SeededGenerator(40)
    for channels in [1, 7, 8, 9, 100] {
      let x = random.floats(6 * 5 * channels)
      let y = try onAnyThreads { ctx in
        try mode(try ctx.tensor(x, rows: 30), height: 6, width: 5, toHeight: 11, toWidth: 13, ctx)
      }
      let ctx = context(threads: 1)
      for c in [0, channels / 2, channels - 1] {
        let one = stride(from: c, to: x.count, by: channels).map { x[$0] }
        let alone = try mode(try ctx.tensor(one, rows: 30), height: 6, width: 5, toHeight: 11, toWidth: 13, ctx).values
        #expect(stride(from: c, to: y.count, by: channels).map { y[$0] } == alone)
      }
    }
  }

  @Test(arguments: [Interpolation.bicubic, .bilinear, .nearest]) func theSameSizeIsACopy(mode: Interpolation) throws {
    var random = SeededGenerator(41)
    let x = random.floats(24 * 24 * 3)
    let ctx = context()
    #expect(try mode(try ctx.tensor(x, rows: 24 * 24), height: 24, width: 24, toHeight: 24, toWidth: 24, ctx).values == x)
  }

  @Test(arguments: TorchFixtures.adaptivePools) func adaptivePoolingAsPyTorch(r: TorchFixtures.Resize) throws {
    let y = try onAnyThreads { ctx in
      let x = try ctx.tensor(sample(r.height * r.width * 2), rows: r.height * r.width)
      return try adaptiveAveragePool(x, height: r.height, width: r.width, toHeight: r.toHeight, toWidth: r.toWidth, ctx)
    }
    #expect(largestError(y, r.expected.map(Double.init)) < 2e-7)
  }

  @Test(arguments: TorchFixtures.windowPools) func windowPoolingAsPyTorch(r: TorchFixtures.Resize) throws {
    let y = try onAnyThreads { ctx in
      let x = try ctx.tensor(sample(r.height * r.width * 2), rows: r.height * r.width)
      return try averagePool(x, height: r.height, width: r.width, window: r.height / r.toHeight, ctx)
    }
    #expect(largestError(y, r.expected.map(Double.init)) < 2e-7)
  }

  @Test(arguments: [(24, 24, 12, 12, 40), (48, 24, 24, 24, 64), (5, 5, 5, 5, 3), (10, 3, 3, 10, 9)])
  func poolingIsTheMeanOfItsWindow(height: Int, width: Int, toHeight: Int, toWidth: Int, channels: Int) throws {
    var random = SeededGenerator(42)
    let x = random.floats(height * width * channels)
    let y = try onAnyThreads { ctx in
      try adaptiveAveragePool(try ctx.tensor(x, rows: height * width), height: height, width: width, toHeight: toHeight, toWidth: toWidth, ctx)
    }
    var expected: [Double] = []
    for row in 0..<toHeight {
      for column in 0..<toWidth {
        let rows = Int(floor(Double(row * height) / Double(toHeight)))..<Int(ceil(Double((row + 1) * height) / Double(toHeight)))
        let columns = Int(floor(Double(column * width) / Double(toWidth)))..<Int(ceil(Double((column + 1) * width) / Double(toWidth)))
        for c in 0..<channels {
          let values = rows.flatMap { r in columns.map { Double(x[(r * width + $0) * channels + c]) } }
          expected.append(values.reduce(0, +) / Double(values.count))
        }
      }
    }
    #expect(largestError(y, expected) < 1e-6)
  }

  @Test func mapsOfAnotherSizeAreErrors() throws {
    let ctx = context()
    let x = try ctx.arena.tensor(12, 2)
    #expect(throws: RuntimeError.self) { try Interpolation.bicubic(x, height: 3, width: 5, toHeight: 2, toWidth: 2, ctx) }
    #expect(throws: RuntimeError.self) { try Interpolation.bicubic(x, height: 3, width: 4, toHeight: 0, toWidth: 2, ctx) }
    #expect(throws: RuntimeError.self) { try Interpolation.nearest(x, height: 3, width: 4, toHeight: .max, toWidth: 2, ctx) }
    #expect(throws: RuntimeError.self) { try averagePool(x, height: 3, width: 4, window: 4, ctx) }
    #expect(throws: RuntimeError.self) { try averagePool(x, height: 3, width: 4, window: 0, ctx) }
    #expect(throws: RuntimeError.self) { try adaptiveAveragePool(x, height: 4, width: 4, toHeight: 2, toWidth: 2, ctx) }
    #expect(throws: RuntimeError.self) { try adaptiveAveragePool(x, height: 3, width: 4, toHeight: 2, toWidth: -2, ctx) }
  }
}
