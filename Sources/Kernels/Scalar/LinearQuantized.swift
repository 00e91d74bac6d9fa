// SPDX-License-Identifier: Apache-2.0
import Shims

extension ScalarKernels {
  /// y = x·Wᵀ + bias, W in q8x16: for groups ascending, f ← fma(Σ byte·q + xOffset, wScale · xScale, f);
  /// xOffset is −zero point · Σ q; the zero point is 128, or 8 with `linearQ4`.
  /// Exact int32 sums: |Σ byte·q| ≤ 255 · 127 · group, so `group` ≤ 65 536.
  package static func linearQ8(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(arguments, firstBlock, endBlock, firstToken, endToken) { payload, x, row, inputs in
      var sum: Int32 = 0
      for k in inputs {
        sum &+= Int32(payload[(k >> 2) * 64 + row * 4 + k & 3]) &* Int32(x[k])
      }
      return sum
    }
  }

  /// y = x·Wᵀ + bias, W in q4x16: as `linearQ8` with nibbles.
  package static func linearQ4(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(arguments, firstBlock, endBlock, firstToken, endToken) { payload, x, row, inputs in
      var sum: Int32 = 0
      for k in inputs {
        let byte = payload[(k >> 3) * 64 + row * 4 + k & 3]
        sum &+= Int32(k & 4 == 0 ? byte & 15 : byte >> 4) &* Int32(x[k])
      }
      return sum
    }
  }

  @inline(__always)
  private static func linear(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int,
    dot: (_ payload: UnsafePointer<UInt8>, _ x: UnsafePointer<Int8>, _ row: Int, _ inputs: Range<Int>) -> Int32
  ) {
    let a = arguments.pointee
    guard let weights = a.weights, let x = a.x, let xScales = a.xScales, let xOffsets = a.xOffsets, let y = a.y else { return }
    let (inputs, group, outputs) = (Int(a.inputs), Int(a.group), Int(a.outputs))
    let groups = inputs / group
    for block in firstBlock..<endBlock {
      let base = UnsafeRawPointer(weights + block * a.blockStride)
      let scales = base.assumingMemoryBound(to: UInt16.self)
      let payload = weights + block * a.blockStride + a.payloadOffset
      let rows = Swift.min(16, outputs - block * 16)
      for token in firstToken..<endToken {
        for row in 0..<rows {
          var f: Float = 0
          for g in 0..<groups {
            let sum = dot(payload, x + token * a.xStride, row, g * group..<(g + 1) * group)
            let value = Float(sum &+ xOffsets[token * groups + g])
            f = f.addingProduct(value, float(half: scales[g * 16 + row]) * xScales[token * groups + g])
          }
          let output = block * 16 + row
          y[token * a.yStride + output] = if let bias = a.bias { f + bias[output] } else { f }
        }
      }
    }
  }
}
