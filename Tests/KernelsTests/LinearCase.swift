// SPDX-License-Identifier: Apache-2.0
import Kernels
import Shims

enum WeightLayout: CaseIterable {
  case f32, f16, q8, q4, n4, q5, q6

  var isQuantized: Bool { self != .f32 && self != .f16 }
  /// Bits of weights in groups of 32 with a byte for a scale.
  var smallBits: Int? { self == .n4 ? 4 : self == .q5 ? 5 : self == .q6 ? 6 : nil }
  /// Groups to try.
  var groups: [Int] { smallBits != nil ? [32] : isQuantized ? [32, 128, 256] : [64] }
}

/// A seeded linear layer in a packed layout, with its activations and the values the weights stand for.
final class LinearCase {
  let layout: WeightLayout
  let outputs, inputs, tokens, group, blocks: Int
  /// [outputs][inputs], exactly what the packed weights mean.
  var weights: [[Float]]
  let x: [Float]
  let bias: [Float]?
  let packed: AlignedBytes
  let blockStride, payloadOffset, paddedInputs: Int
  /// Quantised activations.
  let quantized: [Int8]
  let xScales: [Float]
  let xOffsets: [Int32]

  init(
    _ layout: WeightLayout, outputs: Int, inputs: Int, tokens: Int, group: Int = 64, hasBias: Bool = true, x: [Float]? = nil,
    seed: UInt64
  ) {
    var random = SeededRandom(seed: seed)
    (self.layout, self.outputs, self.inputs, self.tokens) = (layout, outputs, inputs, tokens)
    blocks = (outputs + 15) / 16
    let group = layout.smallBits == nil ? group : 32
    self.group = group
    self.x = x ?? random.normal(tokens * inputs)
    bias = hasBias ? random.normal(outputs) : nil
    let isQuantized = layout.isQuantized
    paddedInputs = isQuantized ? (inputs + group - 1) / group * group : inputs
    let groups = isQuantized ? paddedInputs / group : 0
    payloadOffset = ((layout.smallBits == nil ? groups * 32 : 64 + groups * 16) + 63) / 64 * 64
    let payload =
      switch layout {
      case .f32: inputs * 64
      case .f16: inputs * 32
      case .q8: paddedInputs * 16
      case .q4, .n4: paddedInputs * 8
      case .q5: paddedInputs * 10
      case .q6: paddedInputs * 12
      }
    blockStride = (payloadOffset + payload + 63) / 64 * 64
    packed = AlignedBytes(blocks * blockStride)
    weights = Array(repeating: [], count: outputs)
    for row in 0..<outputs {
      let base = UnsafeMutableRawPointer(packed.base + row / 16 * blockStride)
      let r = row % 16
      switch layout {
      case .f32, .f16:
        let values = random.normal(inputs, scale: 0.1)
        for k in 0..<inputs {
          if layout == .f32 {
            base.storeBytes(of: values[k], toByteOffset: (k * 16 + r) * 4, as: Float.self)
          } else {
            base.storeBytes(of: halfBits(values[k]), toByteOffset: (k * 16 + r) * 2, as: UInt16.self)
          }
        }
        weights[row] = layout == .f32 ? values : values.map { widened(halfBits($0)) }
      case .q8, .q4:
        let zero = layout == .q8 ? 128 : 8
        let range = layout == .q8 ? -127...127 : -8...7
        var values = [Float](repeating: 0, count: inputs)
        for g in 0..<groups {
          let scale = halfBits(Float.random(in: 0.001...0.02, using: &random))
          base.storeBytes(of: scale, toByteOffset: (g * 16 + r) * 2, as: UInt16.self)
          for k in g * group..<(g + 1) * group {
            let q = k < inputs ? (k % 5 == 0 ? range.lowerBound : Int.random(in: range, using: &random)) : 0
            if k < inputs { values[k] = Float(q) * widened(scale) }
            let code = UInt8(q + zero)
            if layout == .q8 {
              base.storeBytes(of: code, toByteOffset: payloadOffset + k / 4 * 64 + r * 4 + k % 4, as: UInt8.self)
            } else {
              let offset = payloadOffset + k / 8 * 64 + r * 4 + k % 4
              let old = base.load(fromByteOffset: offset, as: UInt8.self)
              base.storeBytes(of: k % 8 < 4 ? old & 0xF0 | code : old & 0x0F | code << 4, toByteOffset: offset, as: UInt8.self)
            }
          }
        }
        weights[row] = values
      case .n4, .q5, .q6: weights[row] = Self.storeSmallGroups(layout.smallBits ?? 4, row, base, inputs, paddedInputs, payloadOffset, &random)
      }
    }
    // Rows that do not exist: weight 0 with scale 0.
    if isQuantized, layout.smallBits == nil {
      for row in outputs..<blocks * 16 {
        for byte in 0..<paddedInputs / (layout == .q8 ? 1 : 2) {
          packed.base[row / 16 * blockStride + payloadOffset + byte / 4 * 64 + row % 16 * 4 + byte % 4] = layout == .q8 ? 128 : 0x88
        }
      }
    }
    (quantized, xScales, xOffsets) =
      isQuantized
      ? Self.quantize(self.x, tokens: tokens, inputs: inputs, padded: paddedInputs, group: group, layout) : ([], [], [])
  }

  private static func zero(_ layout: WeightLayout) -> Int32 {
    switch layout {
    case .q8: 128
    case .q4: 8
    case .n4: 64
    case .q5: 16
    default: 32
    }
  }

  /// Random codes and scales of one row, as FORMAT.md §5 has them.
  private static func storeSmallGroups(
    _ bits: Int, _ row: Int, _ base: UnsafeMutableRawPointer, _ inputs: Int, _ paddedInputs: Int, _ payloadOffset: Int,
    _ random: inout SeededRandom
  ) -> [Float] {
    let r = row % 16
    let rowScale = Float.random(in: 0.001...0.02, using: &random)
    base.storeBytes(of: rowScale, toByteOffset: 4 * r, as: Float.self)
    var values = [Float](repeating: 0, count: inputs)
    func add(_ value: Int, _ offset: Int) {
      let byte = payloadOffset + offset
      base.storeBytes(of: base.load(fromByteOffset: byte, as: UInt8.self) | UInt8(value), toByteOffset: byte, as: UInt8.self)
    }
    for k in 0..<paddedInputs {
      let (group, i) = (k / 32, k % 32)
      if i == 0 { base.storeBytes(of: UInt8.random(in: 0...255, using: &random), toByteOffset: 64 + group * 16 + r, as: UInt8.self) }
      let scale = base.load(fromByteOffset: 64 + group * 16 + r, as: UInt8.self)
      let code = k % 5 == 0 ? 0 : k % 7 == 0 ? (1 << bits) - 1 : Int.random(in: 0..<1 << bits, using: &random)
      let part = group * 64 * bits
      let (quarter, half, byte) = (i / 8, i / 4 % 2, r * 4 + i % 4)
      add((code & 15) << (4 * half), part + quarter * 64 + byte)
      if bits == 5 { add((code >> 4) << (2 * quarter + half), part + 256 + byte) }
      if bits == 6 { add((code >> 4) << (4 * (quarter % 2) + 2 * half), part + 256 + quarter / 2 * 64 + byte) }
      guard k < inputs else { continue }
      let value = bits == 4 ? Int(fovea_codebook4()[code]) : code - (bits == 5 ? 16 : 32)
      let magnitude = (1 + Float(scale & 15) / 16) * Float(sign: .plus, exponent: Int(scale >> 4 & 7) - 7, significand: 1)
      values[k] = Float(value) * (scale < 128 ? magnitude : -magnitude) * rowScale
    }
    return values
  }

  /// The scalar kernel's activations, token by token.
  private static func quantize(
    _ x: [Float], tokens: Int, inputs: Int, padded: Int, group: Int, _ layout: WeightLayout
  ) -> ([Int8], [Float], [Int32]) {
    let (groups, zero) = (padded / group, zero(layout))
    var q = [Int8](repeating: 0, count: tokens * padded)
    var scales = [Float](repeating: 0, count: tokens * groups)
    var sums = [Int32](repeating: 0, count: tokens * groups)
    x.withUnsafeBufferPointer { x in
      q.withUnsafeMutableBufferPointer { q in
        scales.withUnsafeMutableBufferPointer { s in
          sums.withUnsafeMutableBufferPointer { u in
            for t in 0..<tokens {
              KernelTable.all()[0].quantize(
                x.baseAddress! + t * inputs, inputs, padded, group, zero, q.baseAddress! + t * padded, s.baseAddress! + t * groups,
                u.baseAddress! + t * groups)
            }
          }
        }
      }
    }
    return (q, scales, layout.smallBits == nil ? sums : sums.map { $0 + Int32(smallGroupSumBits) })
  }

  func kernel(_ table: KernelTable) -> KernelTable.Linear {
    switch layout {
    case .f32: table.linearF32
    case .f16: table.linearF16
    case .q8: table.linearQ8
    case .q4: table.linearQ4
    case .n4, .q5, .q6: table.linearSmallGroups
    }
  }

  /// [tokens][outputs + 7 guards].
  func run(_ table: KernelTable, blocks blockRange: Range<Int>? = nil, tokens tokenRange: Range<Int>? = nil) -> [Float] {
    let yStride = outputs + 7
    var y = [Float](repeating: guardValue, count: tokens * yStride)
    let (blockRange, tokenRange) = (blockRange ?? 0..<blocks, tokenRange ?? 0..<tokens)
    x.withUnsafeBufferPointer { x in
      quantized.withUnsafeBufferPointer { q in
        xScales.withUnsafeBufferPointer { s in
          xOffsets.withUnsafeBufferPointer { u in
            (bias ?? []).withUnsafeBufferPointer { b in
              y.withUnsafeMutableBufferPointer { y in
                var a = LinearArguments()
                a.weights = UnsafePointer(packed.base)
                (a.blockStride, a.payloadOffset) = (blockStride, payloadOffset)
                (a.inputs, a.group, a.outputs) = (Int64(paddedInputs), Int64(group), Int64(outputs))
                (a.x, a.xScales, a.xOffsets, a.xFloat) = (q.baseAddress, s.baseAddress, u.baseAddress, x.baseAddress)
                a.bits = Int32(layout.smallBits ?? 0)
                a.prefetches = bias == nil ? 0 : 1  // changes no result
                a.xStride = paddedInputs
                (a.y, a.yStride) = (y.baseAddress, yStride)
                a.bias = bias == nil ? nil : b.baseAddress
                withUnsafePointer(to: a) {
                  kernel(table)($0, blockRange.lowerBound, blockRange.upperBound, tokenRange.lowerBound, tokenRange.upperBound)
                }
              }
            }
          }
        }
      }
    }
    return y
  }
}
