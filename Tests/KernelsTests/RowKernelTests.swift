// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims
import Testing

/// Norms, activations, softmax, rotation, half floats: rows of any length.
@Suite struct RowKernelTests {
  typealias InPlaceKernel = (name: String, kernel: (KernelTable) -> KernelTable.InPlace, formula: (Double) -> Double)

  static var activations: [InPlaceKernel] {
    [
      ("gelu", { $0.gelu }, { $0 / 2 * (1 + erf($0 / 2.0.squareRoot())) }),
      ("quickGELU", { $0.quickGELU }, { $0 / (1 + exp(-1.702 * $0)) }),
      ("geluTanh", { $0.geluTanh }, { $0 / 2 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }),
      ("silu", { $0.silu }, { $0 / (1 + exp(-$0)) }),
    ]
  }

  static func values(_ count: Int) -> [Float] {
    var random = SeededRandom(seed: UInt64(count) + 11)
    var x = random.normal(count, scale: 4)
    let special: [Float] = [0, -0.0, 87.5, -87.5, 90, -90, 1e30, -1e30, .leastNonzeroMagnitude, 5.9999, 6, -6.0001, 0.5, -1]
    for (i, value) in special.enumerated() where i * 3 < count { x[i * 3] = value }
    return x
  }

  @Test("activations: every variant gives the scalar bits", arguments: awkwardSizes)
  func activationsMatchScalar(count: Int) {
    let x = Self.values(count)
    for (name, kernel, _) in Self.activations {
      let expected = bits(inPlace(x) { kernel(KernelTable.all()[0])($0, count) })
      for table in vectorTables {
        #expect(bits(inPlace(x) { kernel(table)($0, count) }) == expected, "\(table.name) \(name)")
      }
    }
  }

  /// Bound: 1e-6 near zero, and the rounding of a result of that size.
  @Test("scalar activations agree with libm in double precision")
  func activationsMatchTheFormula() {
    let x = (0...40_000).map { Float($0 - 20_000) / 1000 } + [1e-8, -1e-8, 1e-3, 50, -50, 100, -100]
    for (name, kernel, formula) in Self.activations {
      let y = inPlace(x) { kernel(KernelTable.all()[0])($0, x.count) }
      var worst = 0.0
      for (i, value) in x.enumerated() {
        let expected = formula(Double(value))
        worst = max(worst, abs(Double(y[i]) - expected) - abs(expected) * 4e-7)
      }
      #expect(worst < 5e-7, "\(name) \(worst)")
    }
  }

  @Test("siluMultiply and add: every variant gives the scalar bits", arguments: awkwardSizes)
  func pairsMatchScalar(count: Int) {
    var random = SeededRandom(seed: 21)
    let (a, b) = (Self.values(count), random.normal(count))
    let scalar = KernelTable.all()[0]
    let silu = bits(inPlace(b) { scalar.siluMultiply(a, $0, $0, count) })
    let sum = bits(inPlace(b) { scalar.add(a, $0, count) })
    for i in 0..<count { #expect(Float(bitPattern: sum[i]).bitPattern == (a[i] + b[i]).bitPattern) }
    for table in vectorTables {
      #expect(bits(inPlace(b) { table.siluMultiply(a, $0, $0, count) }) == silu, "\(table.name)")
      #expect(bits(inPlace(b) { table.add(a, $0, count) }) == sum, "\(table.name)")
    }
  }

  @Test("siluMultiply is silu times up")
  func siluMultiplyIsTheProduct() {
    let a = Self.values(100)
    let b = (0..<100).map { Float($0) / 7 - 5 }
    let scalar = KernelTable.all()[0]
    let silu = inPlace(a) { scalar.silu($0, 100) }
    let y = inPlace(b) { scalar.siluMultiply(a, $0, $0, 100) }
    for i in 0..<100 { #expect(y[i].bitPattern == (silu[i] * b[i]).bitPattern) }
  }

  @Test("norms: every variant gives the scalar bits", arguments: awkwardSizes)
  func normsMatchScalar(count: Int) {
    var random = SeededRandom(seed: UInt64(count))
    let (x, w, b) = (random.normal(count, scale: 5), random.normal(count), random.normal(count))
    let scalar = KernelTable.all()[0]
    let layer = bits(inPlace(x) { scalar.layerNorm($0, w, b, $0, count, 1e-5) })
    let rms = bits(inPlace(x) { scalar.rmsNorm($0, w, $0, count, 1e-6) })
    for table in vectorTables {
      #expect(bits(inPlace(x) { table.layerNorm($0, w, b, $0, count, 1e-5) }) == layer, "\(table.name)")
      #expect(bits(inPlace(x) { table.rmsNorm($0, w, $0, count, 1e-6) }) == rms, "\(table.name)")
    }
  }

  @Test("scalar norms agree with double precision", arguments: [1, 17, 577, 1024])
  func normsMatchTheFormula(count: Int) {
    var random = SeededRandom(seed: UInt64(count) + 1)
    let (w, b) = (random.normal(count), random.normal(count))
    let x = random.normal(count, scale: 5).map { $0 + 3 }
    let scalar = KernelTable.all()[0]
    let layer = inPlace(x) { scalar.layerNorm($0, w, b, $0, count, 1e-5) }
    let rms = inPlace(x) { scalar.rmsNorm($0, w, $0, count, 1e-5) }
    let mean = x.reduce(0) { $0 + Double($1) } / Double(count)
    let variance = x.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
    let square = x.reduce(0) { $0 + Double($1) * Double($1) } / Double(count)
    for i in 0..<count {
      let expected = (Double(x[i]) - mean) / (variance + 1e-5).squareRoot() * Double(w[i]) + Double(b[i])
      // count 1: x − mean is exactly 0, so only the bias is left.
      #expect(abs(Double(layer[i]) - expected) < 5e-6)
      #expect(abs(Double(rms[i]) - Double(x[i]) / (square + 1e-5).squareRoot() * Double(w[i])) < 5e-6)
    }
  }

  @Test("softmax: every variant gives the scalar bits, and scalar the true values", arguments: awkwardSizes)
  func softmax(count: Int) {
    let scalar = KernelTable.all()[0]
    for scale: Float in [1, 30] {
      var random = SeededRandom(seed: UInt64(count) + 5)
      let x = random.normal(count, scale: scale)
      let y = inPlace(x) { scalar.softmax($0, count) }
      for table in vectorTables { #expect(bits(inPlace(x) { table.softmax($0, count) }) == bits(y), "\(table.name)") }
      let largest = Double(x.max() ?? 0)
      let total = x.reduce(0) { $0 + exp(Double($1) - largest) }
      for i in 0..<count {
        let expected = exp(Double(x[i]) - largest) / total
        // x − largest is rounded to 2⁻²⁴ of itself, which the exponential turns into a relative error.
        let bound = 1e-6 + abs(Double(x[i]) - largest) * 6e-8
        #expect(abs(Double(y[i]) - expected) <= expected * bound + 1e-37)
      }
    }
  }

  @Test("rotate: every variant gives the scalar bits, and scalar turns the pairs", arguments: [2, 8, 30, 32, 34, 64, 80, 104, 128, 256])
  func rotate(headSize: Int) {
    var random = SeededRandom(seed: UInt64(headSize))
    let x = random.normal(headSize)
    let angles = (0..<headSize / 2).map { Double($0) * 0.7 }
    let (cosines, sines) = (angles.map { Float(cos($0)) }, angles.map { Float(sin($0)) })
    let y = inPlace(x) { KernelTable.all()[0].rotate($0, cosines, sines, headSize) }
    for table in vectorTables {
      #expect(bits(inPlace(x) { table.rotate($0, cosines, sines, headSize) }) == bits(y), "\(table.name)")
    }
    for i in 0..<headSize / 2 {
      let (a, b) = (Double(x[i]), Double(x[i + headSize / 2]))
      #expect(abs(Double(y[i]) - (a * cos(angles[i]) - b * sin(angles[i]))) < 1e-6)
      #expect(abs(Double(y[i + headSize / 2]) - (b * cos(angles[i]) + a * sin(angles[i]))) < 1e-6)
    }
  }

  @Test("all 65536 half floats widen as the compiler does it, in every variant")
  func halfToFloat() {
    let all = (0...UInt16.max).map { $0 }
    for table in KernelTable.all() {
      var y = [Float](repeating: 0, count: all.count)
      table.halfToFloat(all, &y, all.count)
      let wrong = all.indices.filter {
        let expected = widened(all[$0])
        return expected.isNaN ? !y[$0].isNaN : y[$0].bitPattern != expected.bitPattern
      }
      #expect(wrong.isEmpty, "\(table.name) \(wrong.prefix(4))")
    }
  }

  @Test("floats narrow to half as the compiler does it, in every variant", arguments: awkwardSizes)
  func floatToHalf(count: Int) {
    var random = SeededRandom(seed: 99)
    let special: [Float] = [
      0, -0.0, 65504, 65519.9, 65520, 65536, -1e10, .infinity, 6.1e-5, 5.96e-8, 2.98e-8, 2.99e-8, 8.9e-8, 1e-10, 1.0004883, 2049, 2051,
    ]
    let x = (0..<count).map { i -> Float in
      i < special.count ? special[i] : Float(bitPattern: UInt32.random(in: 0x3300_0000...0x4790_0000, using: &random))
    }
    for table in KernelTable.all() {
      var y = [UInt16](repeating: 0xABCD, count: count + 16)
      table.floatToHalf(x, &y, count)
      #expect(Array(y[0..<count]) == x.map(halfBits), "\(table.name)")
      #expect(y[count...].allSatisfy { $0 == 0xABCD })
      var tail = [Float](repeating: guardValue, count: count + 16)
      table.halfToFloat(y, &tail, count)
      #expect(bits(Array(tail[0..<count])) == x.map { widened(halfBits($0)).bitPattern })
      #expect(tail[count...].allSatisfy { $0 == guardValue })
    }
  }

  @Test("NaN stays NaN through half floats, with the same bits in every variant")
  func halfNaN() {
    let x: [Float] = [.nan, -.nan, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFC1_2345)]
    let patterns: [UInt16] = [0x7C01, 0x7E00, 0xFC10, 0xFFFF]
    func results(_ table: KernelTable) -> [UInt32] {
      var narrow = [UInt16](repeating: 0, count: 4)
      var wide = [Float](repeating: 0, count: 4)
      table.floatToHalf(x, &narrow, 4)
      table.halfToFloat(patterns, &wide, 4)
      return narrow.map { UInt32($0) } + bits(wide)
    }
    let expected = results(KernelTable.all()[0])
    #expect(expected[0..<4].allSatisfy { $0 & 0x7FFF > 0x7C00 })
    for table in vectorTables { #expect(results(table) == expected, "\(table.name)") }
  }
}
