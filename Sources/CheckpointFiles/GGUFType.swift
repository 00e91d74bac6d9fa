// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A type of GGUF's tensors: blocks of weights with a fixed size in bytes. Decoded bit-exactly as ggml and the `gguf` package do.
/// Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
enum GGUFType: UInt32 {
  case f32 = 0
  case f16, q4_0, q4_1
  case q5_0 = 6
  case q5_1, q8_0
  case q2_K = 10
  case q3_K, q4_K, q5_K, q6_K
  case iq4_NL = 20
  case iq4_XS = 23
  case f64 = 28
  case bf16 = 30

  /// Names of unsupported types, for messages.
  static func name(_ number: UInt32) -> String {
    let others: [UInt32: String] = [
      9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 24: "I8", 25: "I16", 26: "I32",
      27: "I64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
    ]
    return GGUFType(rawValue: number).map { "\($0)".uppercased() } ?? others[number] ?? "number \(number)"
  }

  /// Weights of a block, and its bytes.
  var block: (weights: Int, bytes: Int) {
    switch self {
    case .f64: (1, 8)
    case .f32: (1, 4)
    case .f16, .bf16: (1, 2)
    case .q4_0, .iq4_NL: (32, 18)
    case .q4_1: (32, 20)
    case .q5_0: (32, 22)
    case .q5_1: (32, 24)
    case .q8_0: (32, 34)
    case .q2_K: (256, 84)
    case .q3_K: (256, 110)
    case .q4_K: (256, 144)
    case .q5_K: (256, 176)
    case .q6_K: (256, 210)
    case .iq4_XS: (256, 136)
    }
  }

  /// Decodes a row of `count` weights.
  func widen(_ bytes: UnsafeRawPointer, count: Int, into out: UnsafeMutablePointer<Float>) {
    switch self {
    case .f32: NumberType.f32.widen(bytes, stride: 1, count: count, into: out)
    case .f16: NumberType.f16.widen(bytes, stride: 1, count: count, into: out)
    case .bf16: NumberType.bf16.widen(bytes, stride: 1, count: count, into: out)
    case .f64: NumberType.f64.widen(bytes, stride: 1, count: count, into: out)
    default:
      let (weights, size) = block
      for i in 0..<count / weights { expand(GGUFBlock(bytes + i * size), out + i * weights) }
    }
  }

  private func expand(_ b: GGUFBlock, _ out: UnsafeMutablePointer<Float>) {
    switch self {
    case .f32, .f16, .bf16, .f64: break
    case .q4_0:
      let d = b.half(0)
      for i in 0..<16 {
        let q = b[2 + i]
        out[i] = d * Float(Int(q & 15) - 8)
        out[i + 16] = d * Float(Int(q >> 4) - 8)
      }
    case .q4_1:
      let (d, m) = (b.half(0), b.half(2))
      for i in 0..<16 {
        let q = b[4 + i]
        out[i] = d * Float(q & 15) + m
        out[i + 16] = d * Float(q >> 4) + m
      }
    case .q5_0:
      let d = b.half(0)
      for i in 0..<32 { out[i] = d * Float(Int(b.nibble(6, i)) + 16 * Int(b.bit(2, i)) - 16) }
    case .q5_1:
      let (d, m) = (b.half(0), b.half(2))
      for i in 0..<32 { out[i] = d * Float(b.nibble(8, i) + 16 * b.bit(4, i)) + m }
    case .q8_0:
      let d = b.half(0)
      for i in 0..<32 { out[i] = Float(Int8(bitPattern: b[2 + i])) * d }
    case .iq4_NL:
      let d = b.half(0)
      for i in 0..<32 { out[i] = d * Self.curve[Int(b.nibble(2, i))] }
    case .iq4_XS:
      let d = b.half(0)
      let high = UInt16(b[2]) | UInt16(b[3]) << 8
      for group in 0..<8 {
        let low = b[4 + group / 2] >> UInt8(4 * (group & 1)) & 15
        let scale = d * Float(Int(low) + 16 * Int(high >> UInt16(2 * group) & 3) - 32)
        for i in 0..<32 { out[32 * group + i] = scale * Self.curve[Int(b.nibble(8 + 16 * group, i))] }
      }
    case .q2_K:
      let (d, m) = (b.half(80), b.half(82))
      for i in 0..<256 {
        let scales = b[i / 16]
        let q = b[16 + i / 128 * 32 + i % 32] >> UInt8(i % 128 / 32 * 2) & 3
        out[i] = d * Float(scales & 15) * Float(q) - m * Float(scales >> 4)
      }
    case .q3_K:
      let d = b.half(108)
      for i in 0..<256 {
        let group = i / 16
        let low = b[96 + group % 8] >> UInt8(group / 8 * 4) & 15
        let high = b[104 + group % 4] >> UInt8(group / 4 * 2) & 3
        let scale = d * Float(Int(low | high << 4) - 32)
        let q = Int(b[32 + i / 128 * 32 + i % 32] >> UInt8(i % 128 / 32 * 2) & 3)
        out[i] = scale * Float(b[i % 32] >> UInt8(i / 32) & 1 == 1 ? q : q - 4)
      }
    case .q4_K, .q5_K:
      let (d, m) = (b.half(0), b.half(2))
      let isFive = self == .q5_K
      for group in 0..<8 {
        let (scale, least) = b.scaleAndLeast(4, group)
        let (dl, ml) = (d * Float(scale), m * Float(least))
        for i in 0..<32 {
          var q = b[(isFive ? 48 : 16) + group / 2 * 32 + i] >> UInt8(4 * (group & 1)) & 15
          if isFive { q |= (b[16 + i] >> UInt8(group) & 1) << 4 }
          out[32 * group + i] = dl * Float(q) - ml
        }
      }
    case .q6_K:
      let d = b.half(208)
      for i in 0..<256 {
        let low = b[i / 128 * 64 + i % 64] >> UInt8(i % 128 / 64 * 4) & 15
        let high = b[128 + i / 128 * 32 + i % 32] >> UInt8(i % 128 / 32 * 2) & 3
        out[i] = d * Float(Int8(bitPattern: b[192 + i / 16])) * Float(Int(low | high << 4) - 32)
      }
    }
  }

  /// The 16 values of the IQ4 types.
  private static let curve: [Float] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
}

/// The bytes of one block.
struct GGUFBlock {
  private let base: UnsafeRawPointer

  init(_ base: UnsafeRawPointer) { self.base = base }

  subscript(_ i: Int) -> UInt8 { base.load(fromByteOffset: i, as: UInt8.self) }

  func half(_ offset: Int) -> Float { Half.float(UInt16(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))) }

  /// Four bits of weight `i` of 32: the low nibbles of 16 bytes, then the high ones.
  func nibble(_ offset: Int, _ i: Int) -> UInt8 { self[offset + i % 16] >> UInt8(i / 16 * 4) & 15 }

  func bit(_ offset: Int, _ i: Int) -> UInt8 { self[offset + i / 8] >> UInt8(i % 8) & 1 }

  /// Six bits each, of the eight groups of a K block.
  func scaleAndLeast(_ offset: Int, _ group: Int) -> (UInt8, UInt8) {
    if group < 4 { return (self[offset + group] & 63, self[offset + 4 + group] & 63) }
    let low = self[offset + 4 + group]
    return (low & 15 | self[offset + group - 4] >> 2 & 0x30, low >> 4 | self[offset + group] >> 2 & 0x30)
  }
}
