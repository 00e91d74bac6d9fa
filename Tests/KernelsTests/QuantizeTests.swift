// SPDX-License-Identifier: Apache-2.0
import Kernels
import Testing

@Suite struct QuantizeTests {
  struct Result: Equatable {
    var q: [Int8]
    var scales: [UInt32]
    var sums: [Int32]
  }

  static func run(_ table: KernelTable, _ x: [Float], group: Int) -> Result {
    let padded = (x.count + group - 1) / group * group
    var q = [Int8](repeating: 99, count: padded + 16)
    var scales = [Float](repeating: guardValue, count: padded / group + 1)
    var sums = [Int32](repeating: -1, count: padded / group + 1)
    table.quantize(x, x.count, padded, group, -1, &q, &scales, &sums)
    return Result(q: q, scales: bits(scales), sums: sums)
  }

  static func inputs(_ count: Int) -> [[Float]] {
    var random = SeededRandom(seed: UInt64(count) + 3)
    let plain = random.normal(count, scale: 3)
    var ties = plain.indices.map { Float($0 % 255 - 127) + 0.5 }
    if count > 1 { ties[0] = 127 }
    return [plain, ties, [Float](repeating: 0, count: count), [Float](repeating: 1e-35, count: count), plain.map { $0 * 1e30 }]
  }

  @Test("every variant gives the scalar codes, scales and sums", arguments: awkwardSizes, [32, 64, 96, 128])
  func everyVariantMatchesScalar(count: Int, group: Int) {
    for x in Self.inputs(count) {
      let expected = Self.run(KernelTable.all()[0], x, group: group)
      for table in vectorTables { #expect(Self.run(table, x, group: group) == expected, "\(table.name)") }
    }
  }

  @Test("codes are within half a step, sums add up, padding is zero", arguments: [1, 33, 577])
  func codesStandForTheValues(count: Int) {
    for x in Self.inputs(count) {
      let r = Self.run(KernelTable.all()[0], x, group: 64)
      for g in 0..<(count + 63) / 64 {
        let scale = Float(bitPattern: r.scales[g])
        var sum: Int32 = 0
        for i in g * 64..<(g + 1) * 64 {
          sum += Int32(r.q[i])
          if i < count {
            let isZeroed = scale == 0 && abs(x[i]) < 1e-30
            #expect(isZeroed || abs(Double(r.q[i]) * Double(scale) - Double(x[i])) <= Double(scale) * 0.50002)
          } else {
            #expect(r.q[i] == 0)
          }
        }
        #expect(r.sums[g] == sum)
      }
      #expect(r.q[r.q.count - 16..<r.q.count].allSatisfy { $0 == 99 })
    }
  }

  @Test("NaN and infinity give codes, not traps")
  func survivesNonFinite() {
    for value in [Float.nan, .infinity, -.infinity] {
      var x = [Float](repeating: 1, count: 64)
      x[7] = value
      for table in KernelTable.all() {
        let r = Self.run(table, x, group: 64)
        #expect(r.q[0..<64].allSatisfy { $0 >= -127 })
      }
    }
  }
}
