// SPDX-License-Identifier: Apache-2.0
import Kernels
import Testing

@Suite struct Depthwise3x3Tests {
  static func run(_ table: KernelTable, _ x: [Float], _ w: [Float], _ b: [Float], _ h: Int, _ width: Int, _ c: Int, rows: Range<Int>) -> [Float] {
    var y = [Float](repeating: guardValue, count: h * width * c + 32)
    table.depthwise3x3(x, w, b, &y, h, width, c, rows.lowerBound, rows.upperBound)
    return y
  }

  @Test("every variant gives the scalar bits, and scalar the convolution", arguments: [1, 15, 16, 33, 192], [(1, 1), (1, 4), (3, 1), (4, 5)])
  func convolves(channels: Int, size: (Int, Int)) {
    let (h, w) = size
    var random = SeededRandom(seed: UInt64(channels + h * w))
    let (x, weight, bias) = (random.normal(h * w * channels), random.normal(9 * channels), random.normal(channels))
    let expected = Self.run(KernelTable.all()[0], x, weight, bias, h, w, channels, rows: 0..<h)
    for table in vectorTables {
      #expect(bits(Self.run(table, x, weight, bias, h, w, channels, rows: 0..<h)) == bits(expected), "\(table.name)")
      let part = Self.run(table, x, weight, bias, h, w, channels, rows: h / 2..<h)
      let start = h / 2 * w * channels
      #expect(bits(Array(part[start...])) == bits(Array(expected[start...])))
      #expect(part[0..<start].allSatisfy { $0 == guardValue })
    }
    for row in 0..<h {
      for column in 0..<w {
        for channel in 0..<channels {
          var sum = Double(bias[channel])
          for ky in -1...1 {
            for kx in -1...1 where (0..<h).contains(row + ky) && (0..<w).contains(column + kx) {
              sum += Double(x[((row + ky) * w + column + kx) * channels + channel]) * Double(weight[((ky + 1) * 3 + kx + 1) * channels + channel])
            }
          }
          #expect(abs(Double(expected[(row * w + column) * channels + channel]) - sum) < 4e-6)
        }
      }
    }
  }
}
