// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFile

@Suite struct PackedLayoutTests {
  @Test func hasTheSizesOfTheFormat() throws {
    let f32 = try #require(PackedLayout(encoding: .f32x16, outputs: 17, inputs: 5, group: 0))
    #expect((f32.blocks, f32.groups, f32.paddedInputs, f32.payloadOffset, f32.blockStride, f32.byteCount) == (2, 0, 5, 0, 320, 640))
    // 5 · 16 · 2 = 160, rounded up to 192.
    let f16 = try #require(PackedLayout(encoding: .f16x16, outputs: 16, inputs: 5, group: 0))
    #expect((f16.blocks, f16.payloadOffset, f16.blockStride, f16.byteCount) == (1, 0, 192, 192))
    // 3 groups: 96 bytes of scales in 128; 192 padded inputs · 16.
    let q8 = try #require(PackedLayout(encoding: .q8x16, outputs: 33, inputs: 130, group: 64))
    #expect((q8.blocks, q8.groups, q8.paddedInputs, q8.payloadOffset, q8.blockStride) == (3, 3, 192, 128, 128 + 3072))
    let q4 = try #require(PackedLayout(encoding: .q4x16, outputs: 16, inputs: 130, group: 32))
    #expect((q4.groups, q4.paddedInputs, q4.payloadOffset, q4.blockStride) == (5, 160, 192, 192 + 1280))
  }

  @Test func refusesWhatCannotBe() {
    #expect(PackedLayout(encoding: .f32, outputs: 1, inputs: 1, group: 0) == nil)
    for (outputs, inputs) in [(0, 1), (1, 0), (-1, 4), (4, -1), (Int.max, Int.max), (1, Int.max), (Int.min, 1)] {
      for encoding in [TensorEncoding.f32x16, .f16x16] {
        #expect(PackedLayout(encoding: encoding, outputs: outputs, inputs: inputs, group: 0) == nil)
      }
      for encoding in [TensorEncoding.q8x16, .q4x16] {
        #expect(PackedLayout(encoding: encoding, outputs: outputs, inputs: inputs, group: 64) == nil)
      }
    }
    for group in [0, -32, 16, 40, 32800, Int.min, Int.max] {
      #expect(PackedLayout(encoding: .q8x16, outputs: 4, inputs: 4, group: group) == nil)
    }
    #expect(PackedLayout(encoding: .q4x16, outputs: 4, inputs: 4, group: 32768) != nil)
    #expect(PackedLayout(encoding: .f16x16, outputs: 4, inputs: 4, group: 32) == nil)
    #expect(PackedLayout(encoding: .n4x16, outputs: 4, inputs: 4, group: 64) == nil)
    let q6 = PackedLayout(encoding: .q6x16, outputs: 17, inputs: 130, group: 32)
    #expect(q6?.groups == 5 && q6?.payloadOffset == 192 && q6?.blockStride == 192 + 5 * 384 && q6?.byteCount == 2 * (192 + 5 * 384))
  }

  /// Packs by the words of FORMAT.md §5, one number at a time, and reads every row back.
  @Test(
    arguments: [
      (TensorEncoding.f32x16, 0, 19, 7), (.f16x16, 0, 19, 7), (.f16x16, 0, 1, 1), (.q8x16, 64, 21, 131), (.q8x16, 32, 16, 32), (.q8x16, 32, 5, 3),
      (.q4x16, 32, 35, 100), (.q4x16, 128, 16, 256), (.q4x16, 64, 1, 13), (.n4x16, 32, 35, 100), (.q5x16, 32, 18, 65), (.q6x16, 32, 3, 257),
    ] as [(TensorEncoding, Int, Int, Int)])
  func readsBackWhatWasPacked(encoding: TensorEncoding, group: Int, outputs: Int, inputs: Int) throws {
    let layout = try #require(PackedLayout(encoding: encoding, outputs: outputs, inputs: inputs, group: group))
    var random = SeededGenerator(UInt64(outputs * 1000 + inputs))
    var packed = [UInt8](repeating: 0, count: layout.byteCount)
    var expected: [[Float]] = []
    for row in 0..<outputs {
      let block = row / 16 * layout.blockStride
      let lane = row % 16
      func store(_ bytes: [UInt8], at offset: Int) { packed.replaceSubrange(block + offset..<block + offset + bytes.count, with: bytes) }
      var values: [Float] = []
      var scale: Float = 0
      for k in 0..<inputs {
        if let codes = encoding.codes, codes.scale == .byteOfRow, k % 32 == 0 {
          let byte = UInt8.random(in: 0...255, using: &random)
          store([byte], at: 64 + k / 32 * 16 + lane)
          let rowScale: Float = 0.25 + Float(lane)
          store(le(rowScale.bitPattern), at: 4 * lane)
          let magnitude = Float(sign: .plus, exponent: Int(byte >> 4 & 7) - 7, significand: 1 + Float(byte & 15) / 16)
          scale = rowScale * (byte < 128 ? magnitude : -magnitude)
        } else if group > 0, k % group == 0 {
          let bits = Half.bits(Float.random(in: 0.001...0.1, using: &random))
          scale = Half.float(bits)
          store(le(bits), at: (k / group * 16 + lane) * 2)
        }
        switch encoding {
        case .f16x16:
          let bits = Half.bits(random.weight())
          store(le(bits), at: (k * 16 + lane) * 2)
          values.append(Half.float(bits))
        case .q8x16:
          let weight = Int.random(in: -127...127, using: &random)
          store([UInt8(weight + 128)], at: layout.payloadOffset + k / 4 * 64 + lane * 4 + k % 4)
          values.append(Float(weight) * scale)
        case .q4x16:
          let weight = Int.random(in: -8...7, using: &random)
          let at = layout.payloadOffset + k / 8 * 64 + lane * 4 + k % 4
          store([packed[block + at] | UInt8(weight + 8) << (k % 8 < 4 ? 0 : 4)], at: at)
          values.append(Float(weight) * scale)
        case .n4x16, .q5x16, .q6x16:
          let bits = encoding == .n4x16 ? 4 : encoding == .q5x16 ? 5 : 6
          let code = Int.random(in: 0..<1 << bits, using: &random)
          let (part, quarter, half, byte) = (layout.payloadOffset + k / 32 * 64 * bits, k % 32 / 8, k / 4 % 2, 4 * lane + k % 4)
          func add(_ value: Int, _ at: Int) { store([packed[block + at] | UInt8(value)], at: at) }
          add((code & 15) << (4 * half), part + 64 * quarter + byte)
          if bits == 5 { add((code >> 4) << (2 * quarter + half), part + 256 + byte) }
          if bits == 6 { add((code >> 4) << (4 * (quarter % 2) + 2 * half), part + 256 + 64 * (quarter / 2) + byte) }
          let codebook4 = [-64, -51, -40, -32, -24, -17, -11, -5, 1, 6, 12, 18, 25, 33, 42, 55]
          values.append(Float(bits == 4 ? codebook4[code] : code - (bits == 5 ? 16 : 32)) * scale)
        default:
          let weight = random.weight()
          store(le(weight.bitPattern), at: (k * 16 + lane) * 4)
          values.append(weight)
        }
      }
      expected.append(values)
    }
    for row in 0..<outputs {
      // One float beyond the row, which must stay as it is.
      var found = [Float](repeating: 77, count: inputs + 1)
      packed.withUnsafeBytes { layout.readRow(row, from: $0.baseAddress!, into: &found) }
      #expect(found == expected[row] + [77])
    }
  }
}
