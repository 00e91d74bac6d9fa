// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

/// Compares every kernel of every table but the scalar one with it, bit for bit, on seeded cases: what KernelsTests does, where there is
/// no swift-testing. Cases and numbers come from Tests/KernelsTests; tools/check-neon and tools/check-x86 build and run this.
struct Driver {
  let scalar = KernelTable.all()[0]
  private(set) var passed = 0, failed = 0
  /// Of the kernel that is being compared.
  private var cases = 0, wrong = 0

  mutating func compare(_ isSame: Bool) {
    cases += 1
    if !isSame { wrong += 1 }
  }

  /// One line a kernel.
  mutating func kernel(_ name: String, _ body: (inout Driver) -> Void) {
    if let wanted = getenv("FOVEA_KERNEL"), String(cString: wanted) != name { return }
    (cases, wrong) = (0, 0)
    body(&self)
    if wrong == 0 && cases > 0 { passed += 1 } else { failed += 1 }
    print(wrong == 0 && cases > 0 ? "ok    " : "WRONG ", terminator: "")
    print(name, terminator: ": ")
    print(cases, terminator: " cases")
    if wrong > 0 {
      print(", ", terminator: "")
      print(wrong, terminator: " differ")
    }
    print("")
  }

  mutating func run(_ table: KernelTable) {
    print(table.name)
    for layout in WeightLayout.allCases { kernel(Self.name(layout)) { $0.linear(layout, table) } }
    kernel("quantize") { $0.quantize(table) }
    rows(table)
    kernel("depthwise3x3") { $0.depthwise(table) }
    for arithmetic in [FOVEA_ATTENTION_F32, FOVEA_ATTENTION_INT8, FOVEA_ATTENTION_INT12] {
      for rows in [FOVEA_ROWS_F32, FOVEA_ROWS_F16, FOVEA_ROWS_INT8] where arithmetic == FOVEA_ATTENTION_F32 || rows != FOVEA_ROWS_INT8 {
        kernel(AttentionCase.name(arithmetic, rows)) { $0.attention(table, arithmetic, rows) }
      }
    }
  }

  static func name(_ layout: WeightLayout) -> String {
    switch layout {
    case .f32: "linearF32"
    case .f16: "linearF16"
    case .q8: "linearQ8"
    case .q4: "linearQ4"
    case .n4: "linearSmallGroups 4"
    case .q5: "linearSmallGroups 5"
    case .q6: "linearSmallGroups 6"
    }
  }

  /// 1 … 13 tokens, sizes with tails, both ends of the weights' range, parts of the blocks and tokens.
  private mutating func linear(_ layout: WeightLayout, _ table: KernelTable) {
    let isQuantized = layout.isQuantized
    for tokens in 1...13 {
      for (outputs, inputs) in [(1, 1), (16, 64), (17, 33), (31, 127), (80, 577), (150, 96)] {
        for group in layout.groups {
          let seed = UInt64(outputs * 1000 + inputs + tokens)
          let c = LinearCase(layout, outputs: outputs, inputs: inputs, tokens: tokens, group: group, hasBias: tokens & 1 == 1, seed: seed)
          compare(bits(c.run(table)) == bits(c.run(scalar)))
        }
      }
    }
    for tokens in [7, 31] {
      let long = LinearCase(layout, outputs: 70, inputs: 4200, tokens: tokens, seed: 3)
      compare(bits(long.run(table)) == bits(long.run(scalar)))
    }
    let c = LinearCase(layout, outputs: 200, inputs: 130, tokens: 20, seed: 5)
    for (blocks, tokens) in [(1..<4, 2..<9), (0..<13, 19..<20), (12..<13, 0..<20), (5..<5, 0..<20), (3..<10, 1..<14)] {
      compare(bits(c.run(table, blocks: blocks, tokens: tokens)) == bits(c.run(scalar, blocks: blocks, tokens: tokens)))
    }
    for sign: Float in isQuantized ? [1, -1] : [] {
      let x = [Float](repeating: sign, count: 7 * 512)
      let c = LinearCase(layout, outputs: 48, inputs: 512, tokens: 7, group: 256, hasBias: false, x: x, seed: 9)
      for block in 0..<3 {
        let code: UInt8 = [0xFF, layout == .q8 ? 1 : 0, 0x80][block]
        for byte in c.payloadOffset..<c.blockStride { c.packed.base[block * c.blockStride + byte] = code }
      }
      compare(bits(c.run(table)) == bits(c.run(scalar)))
    }
  }

  private mutating func quantize(_ table: KernelTable) {
    func run(_ table: KernelTable, _ x: [Float], _ group: Int, _ zero: Int32) -> [UInt32] {
      let padded = (x.count + group - 1) / group * group
      var q = [Int8](repeating: 99, count: padded + 16)
      var scales = [Float](repeating: guardValue, count: padded / group + 1)
      var offsets = [Int32](repeating: 7, count: padded / group + 1)
      table.quantize(x, x.count, padded, group, zero, &q, &scales, &offsets)
      return q.map { UInt32(truncatingIfNeeded: $0) } + bits(scales) + offsets.map { UInt32(bitPattern: $0) }
    }
    for count in awkwardSizes {
      var random = SeededRandom(seed: UInt64(count) + 3)
      let plain = random.normal(count, scale: 3)
      var ties = plain.indices.map { Float($0 % 255 - 127) + 0.5 }
      if count > 1 { ties[0] = 127 }
      for x in [plain, ties, [Float](repeating: 0, count: count), [Float](repeating: 1e-35, count: count), plain.map { $0 * 1e30 }] {
        for (group, zero) in [(32, Int32(128)), (64, 8), (96, 1), (128, 0)] {
          compare(run(table, x, group, zero) == run(scalar, x, group, zero))
        }
      }
    }
  }

  /// Values around the ends of the exponential and of the normal distribution.
  private static func values(_ count: Int) -> [Float] {
    var random = SeededRandom(seed: UInt64(count) + 11)
    var x = random.normal(count, scale: 4)
    let special: [Float] = [0, -0.0, 87.5, -87.5, 90, -90, 1e30, -1e30, .leastNonzeroMagnitude, 5.9999, 6, -6.0001, 0.5, -1, .infinity, -.infinity]
    for (i, value) in special.enumerated() where i * 3 < count { x[i * 3] = value }
    return x
  }

  private mutating func rows(_ table: KernelTable) {
    let activations: [(String, (KernelTable) -> KernelTable.InPlace)] = [
      ("gelu", { $0.gelu }), ("quickGELU", { $0.quickGELU }), ("geluTanh", { $0.geluTanh }), ("silu", { $0.silu }),
    ]
    for (name, activation) in activations {
      kernel(name) { driver in
        // −∞ · 0 and ∞ / ∞ are NaN, whose sign and payload no kernel promises.
        for count in awkwardSizes {
          let x = Self.values(count)
          let (y, expected) = (inPlace(x) { activation(table)($0, count) }, inPlace(x) { activation(driver.scalar)($0, count) })
          driver.compare(y.indices.allSatisfy { y[$0].bitPattern == expected[$0].bitPattern || (y[$0].isNaN && expected[$0].isNaN) })
        }
      }
    }
    everyLength("siluMultiply", table) { table, x, y, _, n in table.siluMultiply(x, y, y, n) }
    everyLength("add", table) { table, x, y, _, n in table.add(x, y, n) }
    everyLength("layerNorm", table) { table, x, y, z, n in table.layerNorm(y, x, z, y, n, 1e-5) }
    everyLength("rmsNorm", table) { table, x, y, _, n in table.rmsNorm(y, x, y, n, 1e-6) }
    everyLength("softmax", table) { table, _, y, _, n in table.softmax(y, n) }
    everyLength("rotate", table) { table, x, y, z, n in table.rotate(y, x, z, n & ~1) }
    kernel("halfToFloat") { driver in
      let all = (0...UInt16.max).map { $0 }
      for count in awkwardSizes + [all.count] {
        func run(_ table: KernelTable) -> [Float] {
          var y = [Float](repeating: guardValue, count: count + 16)
          table.halfToFloat(all, &y, count)
          return y
        }
        driver.compare(bits(run(table)) == bits(run(driver.scalar)))
      }
    }
    kernel("floatToHalf") { driver in
      let special: [Float] = [
        0, -0.0, 65504, 65519.9, 65520, 65536, -1e10, .infinity, 6.1e-5, 5.96e-8, 2.98e-8, 2.99e-8, 8.9e-8, 1e-10, 1.0004883, 2049, 2051,
        .nan, -.nan, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFC1_2345),
      ]
      for count in awkwardSizes {
        var random = SeededRandom(seed: 99)
        let x = (0..<count).map { i -> Float in
          i < special.count ? special[i] : Float(bitPattern: UInt32.random(in: 0x3300_0000...0x4790_0000, using: &random))
        }
        func run(_ table: KernelTable) -> [UInt16] {
          var y = [UInt16](repeating: 0xABCD, count: count + 16)
          table.floatToHalf(x, &y, count)
          return y
        }
        driver.compare(run(table) == run(driver.scalar))
      }
    }
  }

  /// `f` on every awkward length: y in place, x and z beside it.
  private mutating func everyLength(
    _ name: String, _ table: KernelTable,
    _ f: (KernelTable, UnsafePointer<Float>, UnsafeMutablePointer<Float>, UnsafePointer<Float>, Int) -> Void
  ) {
    kernel(name) { driver in
      for count in awkwardSizes {
        for scale: Float in [1, 30] {
          var random = SeededRandom(seed: UInt64(count) + 21)
          let (x, y, z) = (random.normal(count + 1, scale: scale), random.normal(count, scale: scale), random.normal(count + 1))
          driver.compare(bits(inPlace(y) { f(table, x, $0, z, count) }) == bits(inPlace(y) { f(driver.scalar, x, $0, z, count) }))
        }
      }
    }
  }

  private mutating func depthwise(_ table: KernelTable) {
    for channels in [1, 15, 16, 33, 192] {
      for (h, w) in [(1, 1), (1, 4), (3, 1), (4, 5)] {
        var random = SeededRandom(seed: UInt64(channels + h * w))
        let (x, weight, bias) = (random.normal(h * w * channels), random.normal(9 * channels), random.normal(channels))
        for first in [0, h / 2] {
          func run(_ table: KernelTable) -> [UInt32] {
            var y = [Float](repeating: guardValue, count: h * w * channels + 32)
            table.depthwise3x3(x, weight, bias, &y, h, w, channels, first, h)
            return bits(y)
          }
          compare(run(table) == run(scalar))
        }
      }
    }
  }

  private mutating func attention(_ table: KernelTable, _ arithmetic: Int32, _ rows: Int32) {
    for c in AttentionCase.all where rows != FOVEA_ROWS_INT8 || c.gridWidth == 0 {
      let fixture = AttentionFixture(c, rows: rows, scalar)
      for first in c.queries > 4 ? [0, 1, 4, c.queries - 1] : [0] {
        compare(bits(fixture.run(table, arithmetic, first)) == bits(fixture.run(scalar, arithmetic, first)))
      }
    }
  }
}

@main
struct Main {
  /// Every table, or the one that FOVEA_ISA names; every kernel, or the one that FOVEA_KERNEL names. With FOVEA_NAMES set only the tables' names are
  /// printed; with FOVEA_CALL that call of `OneCall` is made, nothing compared.
  static func main() {
    let tables = KernelTable.all()
    if getenv("FOVEA_NAMES") != nil {
      for (i, table) in tables.enumerated() {
        print(i == 0 ? "" : " ", terminator: "")
        print(table.name, terminator: "")
      }
      return print("")
    }
    if let number = getenv("FOVEA_CALL") {
      let i = Int(atoi(number))
      guard OneCall.all.indices.contains(i), let table = try? KernelTable.choose() else { exit(1) }
      print(OneCall.all[i].name, terminator: "|")
      print(OneCall.all[i].units)
      return OneCall.all[i].run(table)
    }
    var driver = Driver()
    do throws(UnknownInstructionSet) {
      let chosen = try KernelTable.choose()
      for table in tables.dropFirst() where getenv("FOVEA_ISA") == nil || table.name.utf8Start == chosen.name.utf8Start { driver.run(table) }
    } catch {
      print(error.description)
    }
    print(driver.passed, terminator: " passed, ")
    print(driver.failed, terminator: " failed\n")
    exit(driver.failed == 0 && driver.passed > 0 ? 0 : 1)
  }
}
