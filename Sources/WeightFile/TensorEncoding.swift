// SPDX-License-Identifier: Apache-2.0
import Shims

/// Encoding of a tensor's numbers. The raw values are the file format's and never change; FORMAT.md §5 has the byte layouts.
package enum TensorEncoding: UInt8, Sendable, CaseIterable {
  /// Row-major IEEE binary32 or binary16, any rank.
  case f32 = 0
  case f16 = 1
  /// Blocks of 16 rows as the kernels read them, rank 2 `[outputs, inputs]`: see `PackedLayout`.
  case f32x16 = 2
  case f16x16 = 3
  case q8x16 = 4
  case q4x16 = 5
  /// In groups of 32 inputs: 4 bits that index a codebook of 16 values, 5 bits, 6 bits.
  case n4x16 = 6
  case q5x16 = 7
  case q6x16 = 8

  /// Whether rows are interleaved in blocks of 16.
  package var isPacked: Bool { rawValue >= TensorEncoding.f32x16.rawValue }
  /// Whether the values are integers with one scale per row and group of inputs.
  package var isQuantized: Bool { codes != nil }

  package var name: String {
    switch self {
    case .f32: "f32"
    case .f16: "f16"
    case .f32x16: "f32x16"
    case .f16x16: "f16x16"
    case .q8x16: "q8x16"
    case .q4x16: "q4x16"
    case .n4x16: "n4x16"
    case .q5x16: "q5x16"
    case .q6x16: "q6x16"
    }
  }

  /// Bytes of one element of a float encoding; 0 for the quantized ones, whose elements share scales.
  var elementSize: Int {
    switch self {
    case .f32, .f32x16: 4
    case .f16, .f16x16: 2
    default: 0
    }
  }

  /// The table of quantised types, for packing, reading and the kernels. Nil for floats.
  package var codes: WeightCodes? {
    switch self {
    case .f32, .f16, .f32x16, .f16x16: nil
    case .q8x16: WeightCodes(bits: 8, values: -127...127, zero: 128, scale: .half)
    case .q4x16: WeightCodes(bits: 4, values: -8...7, zero: 8, scale: .half)
    case .n4x16: WeightCodes(bits: 4, values: -64...55, zero: smallGroupZero4, scale: .byteOfRow)
    case .q5x16: WeightCodes(bits: 5, values: -16...15, zero: smallGroupZero5, scale: .byteOfRow)
    case .q6x16: WeightCodes(bits: 6, values: -32...31, zero: smallGroupZero6, scale: .byteOfRow)
    }
  }
}

/// The integers of a quantised type and the scales beside them.
package struct WeightCodes: Sendable {
  package enum Scale: Sendable {
    /// An f16 for each row and group of inputs; the group is a multiple of 32.
    case half
    /// A byte for each row and group of 32 inputs (`fovea_small_scale_bits`), times an f32 of the row.
    case byteOfRow
  }

  /// Bits of a weight in the payload.
  package let bits: Int
  /// The least and the largest integer.
  package let values: ClosedRange<Int>
  /// Zero point: what the kernels add to an integer before they multiply it.
  package let zero: Int
  package let scale: Scale

  /// Bytes of 16 rows' weights.
  func payloadSize(inputs: Int) -> Int? { checkedProduct(inputs, 2 * bits) }

  /// Bytes of 16 rows' scales.
  func scalesSize(groups: Int) -> Int? {
    switch scale {
    case .half: checkedProduct(groups, 32)
    case .byteOfRow: checkedProduct(groups, 16).flatMap { checkedSum($0, 64) }
    }
  }

  func isGroup(_ group: Int) -> Bool {
    scale == .half ? group > 0 && group <= PackedLayout.largestGroup && group % 32 == 0 : group == smallGroup
  }
}
