// SPDX-License-Identifier: Apache-2.0
import Shims

extension ScalarKernels {
  /// y = x·Wᵀ + bias, W in n4x16, q5x16 or q6x16 by `bits`: for groups ascending, f ← fma((Σ (w + zero point)·q + xOffset) · scale, xScale, f) with the
  /// scale decoded by `fovea_small_scale_bits`, a product that is exact; y = f · rowScale + bias.
  package static func linearSmallGroups(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    let a = arguments.pointee
    guard let weights = a.weights, let x = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (bits, outputs, groups) = (Int(a.bits), Int(a.outputs), Int(a.inputs) / smallGroup)
    for block in firstBlock..<endBlock {
      let base = UnsafeRawPointer(weights + block * a.blockStride)
      let rowScales = base.assumingMemoryBound(to: Float.self)
      let scales = (base + 64).assumingMemoryBound(to: UInt8.self)
      let rows = Swift.min(16, outputs - block * 16)
      for token in firstToken..<endToken {
        for row in 0..<rows {
          var f: Float = 0
          for g in 0..<groups {
            let payload = weights + block * a.blockStride + a.payloadOffset + g * bits * 64
            let q = x + token * a.xStride + g * smallGroup
            var sum: Int32 = 0
            for k in 0..<smallGroup { sum &+= Int32(biased(payload, bits, row, k)) &* Int32(q[k]) }
            let scale = Float(bitPattern: fovea_small_scale_bits(scales[g * 16 + row]))
            f = f.addingProduct(Float(sum &+ xOffsets[token * groups + g] &- Int32(smallGroupSumBits)) * scale, xScales[token * groups + g])
          }
          let output = block * 16 + row
          let value = f * rowScales[row]
          y[token * a.yStride + output] = if let bias = a.bias { value + bias[output] } else { value }
        }
      }
    }
  }

  /// Weight k of a row, zero point added, from a group's 64 · `bits` bytes.
  @inline(__always)
  private static func biased(_ group: UnsafePointer<UInt8>, _ bits: Int, _ row: Int, _ k: Int) -> UInt8 {
    let (quarter, half) = (k >> 3, (k >> 2) & 1)
    let byte = row * 4 + k & 3
    let low = group[quarter * 64 + byte] >> UInt8(4 * half) & 15
    switch bits {
    case 4: return fovea_biased_codebook4()[Int(low)]
    case 5: return low | (group[256 + byte] >> UInt8(2 * quarter + half) & 1) << 4
    default: return low | (group[256 + quarter / 2 * 64 + byte] >> UInt8(4 * (quarter & 1) + 2 * half) & 3) << 4
    }
  }
}
