// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Number formats of checkpoints. All are converted to Float; 64-bit ones are rounded.
package enum NumberType: String, Sendable {
  case f64, f32, f16, bf16, i64, i32, i16, i8, u8, bool

  /// Whether weights may have it: integers are the codes of a quantised checkpoint, meaningless without their scales.
  package var isFloat: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16: true
    case .i64, .i32, .i16, .i8, .u8, .bool: false
    }
  }

  package var size: Int {
    switch self {
    case .f64, .i64: 8
    case .f32, .i32: 4
    case .f16, .bf16, .i16: 2
    case .i8, .u8, .bool: 1
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
    case .i64: each(base, stride, count, Int64.self, out) { Float(Int64(littleEndian: $0)) }
    case .i32: each(base, stride, count, Int32.self, out) { Float(Int32(littleEndian: $0)) }
    case .i16: each(base, stride, count, Int16.self, out) { Float(Int16(littleEndian: $0)) }
    case .i8: each(base, stride, count, Int8.self, out) { Float($0) }
    case .u8: each(base, stride, count, UInt8.self, out) { Float($0) }
    case .bool: each(base, stride, count, UInt8.self, out) { $0 == 0 ? 0 : 1 }
    }
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
