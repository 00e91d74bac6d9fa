// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Number formats of checkpoints. All are converted to Float; 64-bit ones are rounded.
package enum NumberType: String, Sendable {
  case f64, f32, f16, bf16, f8e4m3, f8e5m2, f8e8m0, i64, i32, i16, i8, u8, bool

  /// Whether weights may have it: integers are the codes of a quantised checkpoint, meaningless without their scales.
  package var isFloat: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16, .f8e4m3, .f8e5m2, .f8e8m0: true
    case .i64, .i32, .i16, .i8, .u8, .bool: false
    }
  }

  package var size: Int {
    switch self {
    case .f64, .i64: 8
    case .f32, .i32: 4
    case .f16, .bf16, .i16: 2
    case .f8e4m3, .f8e5m2, .f8e8m0, .i8, .u8, .bool: 1
    }
  }

  /// Converts `count` numbers at intervals of `stride` elements from `base` on, which may be unaligned.
  func widen(_ base: UnsafeRawPointer, stride: Int, count: Int, into out: UnsafeMutablePointer<Float>) {
    switch self {
    case .f32:
      if stride == 1 {
        UnsafeMutableRawPointer(out).copyMemory(from: base, byteCount: count * 4)
      } else {
        each(base, stride, count, UInt32.self, out) { Float(bitPattern: UInt32(littleEndian: $0)) }
      }
    case .f16: each(base, stride, count, UInt16.self, out) { Half.float(UInt16(littleEndian: $0)) }
    case .bf16: each(base, stride, count, UInt16.self, out) { Float(bitPattern: UInt32(UInt16(littleEndian: $0)) << 16) }
    case .f64: each(base, stride, count, UInt64.self, out) { Float(Double(bitPattern: UInt64(littleEndian: $0))) }
    case .f8e4m3: each(base, stride, count, UInt8.self, out, Self.e4m3)
    case .f8e5m2: each(base, stride, count, UInt8.self, out) { Half.float(UInt16($0) << 8) }
    case .f8e8m0: each(base, stride, count, UInt8.self, out, Self.e8m0)
    case .i64: each(base, stride, count, Int64.self, out) { Float(Int64(littleEndian: $0)) }
    case .i32: each(base, stride, count, Int32.self, out) { Float(Int32(littleEndian: $0)) }
    case .i16: each(base, stride, count, Int16.self, out) { Float(Int16(littleEndian: $0)) }
    case .i8: each(base, stride, count, Int8.self, out) { Float($0) }
    case .u8: each(base, stride, count, UInt8.self, out) { Float($0) }
    case .bool: each(base, stride, count, UInt8.self, out) { $0 == 0 ? 0 : 1 }
    }
  }

  /// OCP's E4M3 without infinities: 4 bits of exponent, 3 of mantissa; all ones is not a number.
  @inline(__always)
  private static func e4m3(_ code: UInt8) -> Float {
    let (sign, exponent, mantissa) = (UInt32(code & 0x80) << 24, UInt32(code >> 3 & 15), UInt32(code & 7))
    if code & 0x7F == 0x7F { return .nan }
    if exponent == 0 { return (sign == 0 ? 1 : -1) * Float(mantissa) * 0x1p-9 }
    return Float(bitPattern: sign | (exponent + 120) << 23 | mantissa << 20)
  }

  /// OCP's E8M0, a power of two: the exponent alone.
  @inline(__always)
  private static func e8m0(_ code: UInt8) -> Float {
    code == 255 ? .nan : Float(bitPattern: code == 0 ? 0x40_0000 : UInt32(code) << 23)
  }

  @inline(__always)
  private func each<T>(
    _ base: UnsafeRawPointer, _ stride: Int, _ count: Int, _ type: T.Type, _ out: UnsafeMutablePointer<Float>,
    _ convert: (T) -> Float
  ) {
    let step = stride * MemoryLayout<T>.size
    if stride == 1 {
      for i in 0..<count { out[i] = convert((base + i &* MemoryLayout<T>.size).loadUnaligned(as: T.self)) }
    } else {
      for i in 0..<count { out[i] = convert((base + i &* step).loadUnaligned(as: T.self)) }
    }
  }
}
