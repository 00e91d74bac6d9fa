// SPDX-License-Identifier: Apache-2.0
import Conversion
import Quantization
import Testing
import WeightFile

@Suite struct QuantizerTests {
  /// Packs one row and reads it back.
  private func packed(_ x: [Float], _ encoding: TensorEncoding, group: Int, importance: [Float]? = nil) throws -> [Float] {
    let layout = try #require(PackedLayout(encoding: encoding, outputs: 1, inputs: x.count, group: group))
    let block = UnsafeMutableRawPointer.allocate(byteCount: layout.blockStride, alignment: 64)
    defer { block.deallocate() }
    var error = PackingError()
    let packer = BlockPacker(layout: layout, importance: importance.map { InputImportance(meanSquares: $0) })
    #expect(packer.pack(x + [Float](repeating: 0, count: 15 * x.count), into: block, error: &error) == nil)
    var y = [Float](repeating: 0, count: x.count)
    layout.readRow(0, from: block, into: &y)
    return y
  }

  private func squares(_ x: [Float], _ y: [Float]) -> [Float] { zip(x, y).map { ($0 - $1) * ($0 - $1) } }

  /// Rounding to −7…7 with the largest weight of 32 on 7, as the simplest formats do, with exact scales.
  private func absmaxError(_ x: [Float], _ most: Float) -> Float {
    stride(from: 0, to: x.count, by: 32).reduce(0) { sum, start in
      let group = x[start..<start + 32]
      let scale = (group.map(abs).max() ?? 0) / most
      return sum + group.reduce(0) { $0 + ($1 - ($1 / scale).rounded() * scale) * ($1 - ($1 / scale).rounded() * scale) }
    }
  }

  /// By how much at least is what each type promises over the simplest rounding to as many levels.
  @Test(arguments: [(TensorEncoding.n4x16, Float(7), Float(0.65)), (.q5x16, 15, 1), (.q6x16, 31, 1)], [false, true])
  func smallGroupsAreBetterThanAbsmax(_ c: (encoding: TensorEncoding, most: Float, bound: Float), isHeavy: Bool) throws {
    var numbers = Numbers(seed: 1)
    var (searched, absmax): (Float, Float) = (0, 0)
    for _ in 0..<100 {
      let x = (0..<128).map { _ in isHeavy ? numbers.heavy() : numbers.normal() }
      searched += try squares(x, packed(x, c.encoding, group: 32)).reduce(0, +)
      absmax += absmaxError(x, c.most)
    }
    #expect(searched < c.bound * absmax, "\(searched / absmax)")
  }

  /// A group's scale is its own, however much larger its neighbour's is: bytes reach down to 1/248 of the row's largest.
  @Test(arguments: [TensorEncoding.n4x16, .q5x16, .q6x16]) func smallNeighboursOfLargeGroupsKeepTheirPrecision(encoding: TensorEncoding) throws {
    var numbers = Numbers(seed: 8)
    for factor: Float in [1, 20, 200] {
      let x = (0..<64).map { ($0 < 32 ? factor : 1) * numbers.normal() }
      let y = try packed(x, encoding, group: 32)
      let small = squares(x, y)[32...].reduce(0, +) / x[32...].reduce(0) { $0 + $1 * $1 }
      #expect(small < 0.02, "\(factor): \(small)")
    }
  }

  @Test(arguments: [TensorEncoding.n4x16, .q4x16]) func importanceMovesTheErrorToWhereItCountsLess(encoding: TensorEncoding) throws {
    var numbers = Numbers(seed: 4)
    // Every eighth input carries a thousand times the power of the others.
    let importance = (0..<64).map { Float($0 % 8 == 0 ? 1000 : 1) }
    var (plain, weighted) = ([Float](repeating: 0, count: 2), [Float](repeating: 0, count: 2))
    for _ in 0..<200 {
      let x = (0..<64).map { _ in numbers.normal() }
      func errors(_ y: [Float]) -> [Float] {
        let all = squares(x, y)
        return [zip(all, importance).reduce(0) { $0 + $1.0 * $1.1 }, all.reduce(0, +)]
      }
      let blind = errors(try packed(x, encoding, group: 32))
      let seeing = errors(try packed(x, encoding, group: 32, importance: importance))
      for i in 0..<2 { (plain[i], weighted[i]) = (plain[i] + blind[i], weighted[i] + seeing[i]) }
    }
    #expect(weighted[0] < 0.85 * plain[0] && weighted[1] > plain[1], "\(weighted[0] / plain[0]), \(weighted[1] / plain[1])")
  }

  @Test func int8ErrorIsWithinHalfAStep() throws {
    var numbers = Numbers(seed: 2)
    for _ in 0..<100 {
      let x = (0..<64).map { _ in numbers.heavy() }
      let step = (x.map(abs).max() ?? 0) / 127
      // The rounded scale may push the largest weight 0.06 steps beyond 127.
      for (a, b) in zip(x, try packed(x, .q8x16, group: 64)) { #expect(abs(a - b) <= 0.58 * step) }
    }
  }

  @Test func zerosTinyAndHugeWeightsStayFinite() throws {
    for value: Float in [0, 1e-38, 1e-10, 1e-6, 65504 * 7, 3e38] {
      let x = (0..<64).map { $0 % 2 == 0 ? value : -value / 3 }
      for encoding in [TensorEncoding.q8x16, .q4x16, .n4x16, .q5x16, .q6x16] {
        let y = try packed(x, encoding, group: 32)
        #expect(y.allSatisfy { $0.isFinite }, "\(encoding) \(value)")
        if value < 1e-37 { #expect(y.allSatisfy { $0 == 0 }, "\(encoding) \(value)") }
      }
    }
  }

  /// Packs one block and reads its rows back through the weight file's own reader.
  private func roundTrip(
    _ encoding: TensorEncoding, outputs: Int, inputs: Int, group: Int
  ) throws -> (
    x: [Float], y: [Float], error: Double
  ) {
    let layout = try #require(PackedLayout(encoding: encoding, outputs: outputs, inputs: inputs, group: group))
    var numbers = Numbers(seed: 3)
    var rows = [Float](repeating: 0, count: 16 * inputs)
    for i in 0..<outputs * inputs { rows[i] = numbers.normal() }
    let block = UnsafeMutableRawPointer.allocate(byteCount: layout.blockStride, alignment: 64)
    defer { block.deallocate() }
    block.initializeMemory(as: UInt8.self, repeating: 0xAA, count: layout.blockStride)
    var error = PackingError()
    #expect(BlockPacker(layout: layout).pack(rows, into: block, error: &error) == nil)
    var y = [Float](repeating: 0, count: outputs * inputs)
    y.withUnsafeMutableBufferPointer { y in
      for row in 0..<outputs { layout.readRow(row, from: block, into: y.baseAddress! + row * inputs) }
    }
    if let codes = encoding.codes, codes.scale == .half {
      // Padding weights and missing rows are zero: the codes' offset, under scales of zero for the rows.
      let payload = UnsafeRawBufferPointer(
        start: block + layout.payloadOffset, count: layout.paddedInputs * 2 * codes.bits)
      let zero: UInt8 = encoding == .q8x16 ? 0x80 : 0x88
      for row in outputs..<16 {
        #expect((0..<layout.groups).allSatisfy { block.load(fromByteOffset: ($0 * 16 + row) * 2, as: UInt16.self) == 0 })
        #expect(stride(from: 4 * row, to: payload.count, by: 64).allSatisfy { payload[$0] == zero })
      }
      if inputs < layout.paddedInputs { #expect(payload[payload.count - 64] == zero) }
    }
    return (Array(rows[..<(outputs * inputs)]), y, error.relative)
  }

  @Test(
    arguments: [(TensorEncoding.f32x16, 0), (.f16x16, 3e-4), (.q8x16, 0.012), (.q4x16, 0.13), (.n4x16, 0.09), (.q5x16, 0.05), (.q6x16, 0.025)],
    [1, 31, 64, 100, 192])
  func blocksReadBack(encoding: (TensorEncoding, Double), inputs: Int) throws {
    for outputs in [1, 16] {
      let group = encoding.0.codes.map { $0.scale == .half ? 64 : 32 } ?? 0
      let (x, y, error) = try roundTrip(encoding.0, outputs: outputs, inputs: inputs, group: group)
      var difference = 0.0
      var power = 0.0
      for (a, b) in zip(x, y) {
        difference += Double((a - b) * (a - b))
        power += Double(a * a)
      }
      let found = (difference / power).squareRoot()
      #expect(found <= encoding.1, "\(found)")
      #expect(abs(found - error) <= 1e-3 * max(found, 1e-3))
    }
  }

  @Test func namesRowsThatCannotBeStored() throws {
    let layout = try #require(PackedLayout(encoding: .f16x16, outputs: 16, inputs: 8, group: 0))
    var rows = [Float](repeating: 1, count: 128)
    let block = UnsafeMutableRawPointer.allocate(byteCount: layout.blockStride, alignment: 64)
    defer { block.deallocate() }
    var error = PackingError()
    rows[5 * 8 + 3] = 65519  // rounds to 65504
    #expect(BlockPacker(layout: layout).pack(rows, into: block, error: &error) == nil)
    rows[5 * 8 + 3] = 65520
    let large = BlockPacker(layout: layout).pack(rows, into: block, error: &error)
    #expect(large?.row == 5 && large?.fault == .beyondHalf)
    rows[2 * 8] = .nan
    let nan = BlockPacker(layout: layout).pack(rows, into: block, error: &error)
    #expect(nan?.row == 2 && nan?.fault == .notFinite)
  }

  /// CLIP-L, SAM ViT-B, Qwen-VL's bigG; a nano tower; a width that only the smaller groups divide.
  @Test(arguments: [(1024, 512), (4096, 512), (768, 384), (3072, 512), (1664, 416), (8192, 512), (128, 128), (512, 128), (1000, 64), (1088, 64)])
  func encodersTakeWideGroups(inputs: Int, group: Int) {
    let policy = PrecisionPolicy(type: .int8, group: 64)
    #expect(policy.encoding(.vision, inputs: inputs) == (.q8x16, group))
    #expect(policy.encoding(.projector, inputs: inputs) == (.q8x16, group))
    #expect(policy.encoding(.decoder(layer: 0, .mlpIn), inputs: inputs) == (.q8x16, 64))
  }

  /// LLaMA of 1.1 B: 22 layers of 2048 → 2560, 2048 → 2048, 2048 → 11264, 5632 → 2048, and a head of 32000.
  @Test func int4ReadsFewBytesForAToken() throws {
    let policy = PrecisionPolicy(type: .int4, group: 64)
    func bytes(_ role: TensorRole, _ outputs: Int, _ inputs: Int) throws -> Int {
      let (encoding, group) = policy.encoding(role, inputs: inputs)
      return try #require(PackedLayout(encoding: encoding, outputs: outputs, inputs: inputs, group: group)).byteCount
    }
    var total = try bytes(.head, 32000, 2048)
    for layer in 0..<22 {
      total += try bytes(.decoder(layer: layer, .attentionIn), 2560, 2048) + bytes(.decoder(layer: layer, .attentionOut), 2048, 2048)
      total += try bytes(.decoder(layer: layer, .mlpIn), 11264, 2048) + bytes(.decoder(layer: layer, .mlpOut), 2048, 5632)
    }
    #expect(total < 590_000_000, "\(total)")
    #expect(policy.encoding(.embedding, inputs: 2048) == (.q6x16, 32))
    #expect(policy.encoding(.decoder(layer: 6, .attentionIn), inputs: 192) == (.q5x16, 32))
    #expect(policy.encoding(.decoder(layer: 6, .mlpIn), inputs: 192) == (.n4x16, 32))
    #expect(policy.encoding(.decoder(layer: 6, .mlpOut), inputs: 192, hasOutliers: true) == (.q6x16, 32))
  }
}
