// SPDX-License-Identifier: Apache-2.0

/// How the numbers of a tensor lie in its bytes. The raw values are the file format's and never change; FORMAT.md §5 has the byte layouts.
package enum TensorEncoding: UInt8, Sendable {
  /// Row-major IEEE binary32 or binary16, any rank.
  case f32 = 0
  case f16 = 1
  /// Blocks of 16 rows as the kernels read them, rank 2 `[outputs, inputs]`: see `PackedLayout`.
  case f32x16 = 2
  case f16x16 = 3
  case q8x16 = 4
  case q4x16 = 5

  /// Whether rows are interleaved in blocks of 16.
  package var isPacked: Bool { rawValue >= TensorEncoding.f32x16.rawValue }
  /// Whether the values are integers with one scale per row and group of inputs.
  package var isQuantized: Bool { rawValue >= TensorEncoding.q8x16.rawValue }

  package var name: String {
    switch self {
    case .f32: "f32"
    case .f16: "f16"
    case .f32x16: "f32x16"
    case .f16x16: "f16x16"
    case .q8x16: "q8x16"
    case .q4x16: "q4x16"
    }
  }

  /// Bytes of one element of a float encoding; 0 for the quantized ones, whose elements share scales.
  var elementSize: Int {
    switch self {
    case .f32, .f32x16: 4
    case .f16, .f16x16: 2
    case .q8x16, .q4x16: 0
    }
  }
}
