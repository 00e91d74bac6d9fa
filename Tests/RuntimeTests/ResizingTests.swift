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

  /// Numbers of torch 2's `interpolate(mode="bicubic", antialias=True)` of the same sample; a constant stays one.
  @Test func antialiasedBicubicAsPyTorch() throws {
    for (target, expected) in Self.antialiased {
      let y = try onAnyThreads { ctx in
        try Interpolation.antialiasedBicubic(try ctx.tensor(sample(50), rows: 25).view, side: 5, to: target, ctx)
      }
      // Of numbers up to 1.7, and of weights that PyTorch rounds otherwise.
      #expect(largestError(y, expected) < 3e-6)
    }
    let ctx = context()
    let flat = try Interpolation.antialiasedBicubic(try ctx.tensor([Float](repeating: 2.5, count: 64 * 3), rows: 64).view, side: 8, to: 3, ctx)
    #expect(flat.values.allSatisfy { abs($0 - 2.5) < 1e-6 })
    #expect(throws: RuntimeError.self) { try Interpolation.antialiasedBicubic(flat.view, side: 3, to: 0, ctx) }
  }

  private static let antialiased: [(Int, [Double])] = [
    (
      3,
      [
        0.1630843, -0.2404882, 0.1992017, 0.6821936, -0.09801764, -0.3394821, -0.2259392, 0.3261628, 0.4619118, -0.1776061, 0.03159663,
        -0.2914691, 0.2037426, -0.2364348, 0.1101006, 0.6183876, 0.1047487, -0.4975367,
      ]
    ),
    (
      7,
      [
        -1.423635, 0.1217539, 0.1747328, -0.6790752, 1.22588, -0.4119398, 0.3743932, 1.530643, -0.367654, 1.025344, -1.093157, 0.2591752,
        -1.546117, -0.2060073, 0.05413003, -0.799678, 0.4617445, -0.1365296, 0.3842257, 0.6377977, -0.4212256, 0.9448579, 0.4677714,
        0.3980023, 0.4146049, -0.4190299, -0.1819414, -1.013849, 0.9318872, -0.7059326, 0.2108358, 0.4705255, -0.4357616, 1.048616,
        -0.2898138, 0.01065968, 1.120388, -0.663783, 1.235609, -0.8838874, 0.5960751, -0.8203632, -0.07584953, 1.080401, -0.7508654,
        0.615218, -0.4460638, -0.05357156, 1.34375, -0.65625, 0.8330903, -1.488976, 0.07228194, -0.5375692, -0.3929005, 0.9472088,
        -1.217595, 0.4322519, -0.1194413, -0.4062576, 0.8313626, -0.4314125, 0.6768403, 0.9773144, -0.1450207, 0.3887204, -0.9381058,
        0.08276705, -1.381877, 0.1462908, -0.4019116, -0.6016871, 0.3676068, -0.3393865, 0.6078674, 0.3149341, -0.257358, 1.108726,
        0.1876032, 0.5789483, -0.04625739, -0.2551623, -0.6038597, -0.8499818, 1.088077, -1.301062, 0.5093044, 0.309529, -0.3512446,
        1.298602, -0.8431432, 0.3131068, 1.08604, -0.2949322, 1.447555, -0.9583614, 0.7603155, -1.423544,
      ]
    ),
  ]

  @Test(arguments: [Interpolation.bicubic, .bilinear, .nearest]) func theSameSizeIsACopy(mode: Interpolation) throws {
    var random = SeededGenerator(41)
    let x = random.floats(24 * 24 * 3)
    let ctx = context()
    #expect(try mode(try ctx.tensor(x, rows: 24 * 24), height: 24, width: 24, toHeight: 24, toWidth: 24, ctx).values == x)
  }

  @Test(arguments: [Interpolation.bicubic, .bilinear, .nearest]) func someRowsAreThoseOfTheWhole(mode: Interpolation) throws {
    var random = SeededGenerator(44)
    let x = random.floats(6 * 5 * 3)
    let ctx = context()
    let map = try ctx.tensor(x, rows: 6 * 5)
    let whole = try mode(map, height: 6, width: 5, toHeight: 17, toWidth: 8, ctx).values
    let part = try mode(map, height: 6, width: 5, toHeight: 17, toWidth: 8, rows: 4..<13, ctx).values
    #expect(part == Array(whole[4 * 8 * 3..<13 * 8 * 3]))
    #expect(throws: RuntimeError.self) { try mode(map, height: 6, width: 5, toHeight: 17, toWidth: 8, rows: 4..<18, ctx) }
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
