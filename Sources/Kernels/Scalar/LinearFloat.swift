// SPDX-License-Identifier: Apache-2.0
import Shims

extension ScalarKernels {
  /// y = x·Wᵀ + bias, W in f32x16: f ← fma(w, x, f) over inputs ascending, from 0.
  package static func linearF32(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(arguments, firstBlock, endBlock, firstToken, endToken) { base, index in
      base.assumingMemoryBound(to: Float.self)[index]
    }
  }

  /// y = x·Wᵀ + bias, W in f16x16: as `linearF32`, weights widened exactly.
  package static func linearF16(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int
  ) {
    linear(arguments, firstBlock, endBlock, firstToken, endToken) { base, index in
      float(half: base.assumingMemoryBound(to: UInt16.self)[index])
    }
  }

  @inline(__always)
  private static func linear(
    _ arguments: UnsafePointer<LinearArguments>, _ firstBlock: Int, _ endBlock: Int, _ firstToken: Int, _ endToken: Int,
    weight: (_ base: UnsafeRawPointer, _ index: Int) -> Float
  ) {
    let a = arguments.pointee
    guard let weights = a.weights, let x = a.xFloat, let y = a.y else { return }
    let (inputs, outputs) = (Int(a.inputs), Int(a.outputs))
    for block in firstBlock..<endBlock {
      let base = UnsafeRawPointer(weights + block * a.blockStride + a.payloadOffset)
      let rows = Swift.min(16, outputs - block * 16)
      for token in firstToken..<endToken {
        for row in 0..<rows {
          var f: Float = 0
          for k in 0..<inputs { f = f.addingProduct(weight(base, k * 16 + row), x[token * a.xStride + k]) }
          let output = block * 16 + row
          y[token * a.yStride + output] = if let bias = a.bias { f + bias[output] } else { f }
        }
      }
    }
  }
}
