// SPDX-License-Identifier: Apache-2.0

/// Where the bytes of a packed matrix `[outputs, inputs]` are: 16 rows to a block, exactly as the kernels read them.
///
/// Block `b` holds rows 16b … 16b+15 and starts at `b · blockStride`; rows past `outputs` have zero weights and scales.
/// - `f32x16`, `f16x16`: `[inputs][16]` values.
/// - `q8x16`, `q4x16`: scales `[groups][16]` f16, zeros up to `payloadOffset`, then the payload: per 4 (q8) or 8 (q4) inputs
///   64 bytes, row r's at 4r. q8: byte = weight + 128. q4: low nibble of byte j is input k+j, high nibble input k+4+j, nibble = weight + 8.
package struct PackedLayout: Sendable {
  package static let rowsPerBlock = 16
  /// Largest quantization group: a group's Σ byte·q (255 · 127 · group) must fit in an Int32.
  package static let largestGroup = 32768

  package let encoding: TensorEncoding
  package let outputs, inputs: Int
  /// Inputs per scale; 0 for float encodings.
  package let group: Int
  /// Blocks of 16 rows: ⌈outputs / 16⌉.
  package let blocks: Int
  /// Scales per row; 0 for float encodings.
  package let groups: Int
  /// Inputs with the zero weights that fill the last group; `inputs` itself for float encodings.
  package let paddedInputs: Int
  /// Bytes from a block's start to its weights (the scales, rounded up to 64); 0 for float encodings.
  package let payloadOffset: Int
  /// Bytes of one block, a multiple of 64.
  package let blockStride: Int
  /// Bytes of the whole matrix.
  package let byteCount: Int

  /// nil if the encoding is not packed, a size is not positive or overflows, or the group does not suit the encoding
  /// (float: 0; quantized: a multiple of 32 up to `largestGroup`).
  package init?(encoding: TensorEncoding, outputs: Int, inputs: Int, group: Int) {
    guard encoding.isPacked, outputs > 0, inputs > 0 else { return nil }
    guard PackedLayout.isGroup(group, for: encoding) else { return nil }
    let blocks = outputs / 16 + (outputs % 16 == 0 ? 0 : 1)
    let groups = encoding.isQuantized ? inputs / group + (inputs % group == 0 ? 0 : 1) : 0
    guard let paddedInputs = encoding.isQuantized ? checkedProduct(groups, group) : inputs,
      let scaleBytes = checkedProduct(groups, 32), let payloadOffset = checkedRoundUp(scaleBytes, to: 64)
    else { return nil }
    let weights: Int? =
      switch encoding {
      case .f32, .f32x16: checkedProduct(paddedInputs, 64)
      case .f16, .f16x16: checkedProduct(paddedInputs, 32)
      case .q8x16: checkedProduct(paddedInputs, 16)
      case .q4x16: checkedProduct(paddedInputs, 8)
      }
    guard let weights, let block = checkedSum(payloadOffset, weights), let blockStride = checkedRoundUp(block, to: 64),
      let byteCount = checkedProduct(blocks, blockStride)
    else { return nil }
    self.encoding = encoding
    self.outputs = outputs
    self.inputs = inputs
    self.group = group
    self.blocks = blocks
    self.groups = groups
    self.paddedInputs = paddedInputs
    self.payloadOffset = payloadOffset
    self.blockStride = blockStride
    self.byteCount = byteCount
  }

  /// Whether `group` is one the encoding may have.
  package static func isGroup(_ group: Int, for encoding: TensorEncoding) -> Bool {
    encoding.isQuantized ? group > 0 && group <= largestGroup && group % 32 == 0 : group == 0
  }

  /// Dequantises row `row` (0 ..< outputs) of the matrix at `base` into `inputs` floats.
  package func readRow(_ row: Int, from base: UnsafeRawPointer, into y: UnsafeMutablePointer<Float>) {
    assert(row >= 0 && row < outputs)
    let block = base + (row / 16) * blockStride
    let lane = row % 16
    switch encoding {
    case .f32, .f32x16:
      for k in 0..<inputs { y[k] = block.loadUnaligned(fromByteOffset: (k &* 16 &+ lane) &* 4, as: Float.self) }
    case .f16, .f16x16:
      for k in 0..<inputs { y[k] = Half.float(block.loadUnaligned(fromByteOffset: (k &* 16 &+ lane) &* 2, as: UInt16.self)) }
    case .q8x16:
      let payload = block + payloadOffset + 4 * lane
      forEachGroup(block, lane) { scale, k in
        let byte = payload.load(fromByteOffset: (k / 4) &* 64 &+ k % 4, as: UInt8.self)
        y[k] = Float(Int32(byte) &- 128) * scale
      }
    case .q4x16:
      let payload = block + payloadOffset + 4 * lane
      forEachGroup(block, lane) { scale, k in
        let byte = payload.load(fromByteOffset: (k / 8) &* 64 &+ k % 4, as: UInt8.self)
        let nibble = k % 8 < 4 ? byte & 15 : byte >> 4
        y[k] = Float(Int32(nibble) &- 8) * scale
      }
    }
  }

  /// Calls `body` with every input below `inputs` and the scale of its group.
  @inline(__always)
  private func forEachGroup(_ block: UnsafeRawPointer, _ lane: Int, _ body: (_ scale: Float, _ k: Int) -> Void) {
    for g in 0..<groups {
      let scale = Half.float(block.loadUnaligned(fromByteOffset: (g &* 16 &+ lane) &* 2, as: UInt16.self))
      let first = g &* group
      for k in first..<min(first &+ group, inputs) { body(scale, k) }
    }
  }
}
