// SPDX-License-Identifier: Apache-2.0
import Shims

/// Layout of a packed matrix `[outputs, inputs]`: blocks of 16 rows, exactly as the kernels read them.
///
/// Block `b` holds rows 16b … 16b+15 and starts at `b · blockStride`; rows past `outputs` have zero weights and scales.
/// - `f32x16`, `f16x16`: `[inputs][16]` values.
/// - `q8x16`, `q4x16`: scales `[groups][16]` f16, zeros up to `payloadOffset`, then the payload: per 4 (q8) or 8 (q4) inputs
///   64 bytes, row r's at 4r. q8: byte = weight + 128 (the zero point). q4: low nibble of byte j is input k+j, high nibble input k+4+j,
///   nibble = weight + 8.
/// - `n4x16`, `q5x16`, `q6x16`: an f32 scale for each row, scale bytes `[groups][16]`, zeros up to `payloadOffset`, then for each group of 32 inputs
///   four times 64 bytes as in q4, and for the bits above the low four 64 bytes (q5) or twice 64 (q6). FORMAT.md §5.
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
    let codes = encoding.codes
    let groups = codes == nil ? 0 : inputs / group + (inputs % group == 0 ? 0 : 1)
    guard let paddedInputs = codes == nil ? inputs : checkedProduct(groups, group),
      let scaleBytes = codes == nil ? 0 : codes?.scalesSize(groups: groups), let payloadOffset = checkedRoundUp(scaleBytes, to: 64)
    else { return nil }
    guard let weights = codes == nil ? checkedProduct(paddedInputs, 16 * encoding.elementSize) : codes?.payloadSize(inputs: paddedInputs),
      let block = checkedSum(payloadOffset, weights), let blockStride = checkedRoundUp(block, to: 64),
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
    encoding.codes.map { $0.isGroup(group) } ?? (group == 0)
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
    case .n4x16, .q5x16, .q6x16:
      let rowScale = block.load(fromByteOffset: 4 * lane, as: Float.self)
      for g in 0..<groups {
        let scale = rowScale * Float(bitPattern: fovea_small_scale_bits(block.load(fromByteOffset: 64 &+ g &* 16 &+ lane, as: UInt8.self)))
        for k in g &* smallGroup..<min((g &+ 1) &* smallGroup, inputs) { y[k] = Float(smallGroupValue(block, lane, k)) * scale }
      }
    }
  }

  /// The integer of input k in a block of n4x16, q5x16 or q6x16.
  @inline(__always)
  private func smallGroupValue(_ block: UnsafeRawPointer, _ lane: Int, _ k: Int) -> Int {
    let bits = encoding == .n4x16 ? 4 : encoding == .q5x16 ? 5 : 6
    let group = block + (payloadOffset &+ (k / smallGroup) &* (64 &* bits) &+ 4 &* lane &+ k % 4)
    let (quarter, half) = (k % smallGroup / 8, k / 4 % 2)
    func part(_ vector: Int, from bit: Int, _ mask: UInt8) -> Int {
      Int(group.load(fromByteOffset: 64 &* vector, as: UInt8.self) >> UInt8(truncatingIfNeeded: bit) & mask)
    }
    let low = part(quarter, from: 4 &* half, 15)
    switch encoding {
    case .n4x16: return Int(fovea_codebook4()[low])
    case .q5x16: return low &+ 16 &* part(4, from: 2 &* quarter &+ half, 1) &- smallGroupZero5
    default: return low &+ 16 &* part(4 &+ quarter / 2, from: 4 &* (quarter % 2) &+ 2 &* half, 3) &- smallGroupZero6
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
