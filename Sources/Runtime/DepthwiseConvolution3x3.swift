// SPDX-License-Identifier: Apache-2.0
import Kernels
import WeightFile

/// Depthwise 3×3 convolution, stride 1, zero padding.
package struct DepthwiseConvolution3x3 {
  private let store: WeightStore
  private let weight, bias: UnsafePointer<Float>
  package let channels: Int

  /// - Parameter w: leaves `weight` (plain, `[9, channels]`, position ky·3 + kx outermost) and `bias` (plain, `[channels]`).
  package init(_ w: Weights, channels: Int) throws(WeightFileError) {
    store = w.store
    weight = try w.table("weight", shape: [9, channels])
    bias = try w.vector("bias", count: channels)
    self.channels = channels
  }

  /// - Parameter x: `[height·width, channels]`, a map row by row.
  /// - Returns: the same shape.
  package func callAsFunction(_ x: Tensor, height: Int, width: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    guard x.columns == channels else { throw .shape(operation: "convolution channels", expected: channels, found: x.columns) }
    try checkMap(x, height: height, width: width)
    let y = try ctx.arena.tensor(x.rows, channels)
    ctx.split(rows: height, cost: 9 &* width &* channels) { rows in
      ctx.kernels.depthwise3x3(x.data, weight, bias, y.data, height, width, channels, rows.lowerBound, rows.upperBound)
    }
    return y
  }
}

/// Throws unless `x` is a map of `height` rows of `width` pixels.
func checkMap(_ x: TensorView, height: Int, width: Int) throws(RuntimeError) {
  let (pixels, overflow) = height.multipliedReportingOverflow(by: width)
  guard height > 0, width > 0, !overflow, x.rows == pixels else {
    throw .shape(operation: "feature map", expected: overflow ? .max : pixels, found: x.rows)
  }
}

func checkMap(_ x: Tensor, height: Int, width: Int) throws(RuntimeError) { try checkMap(x.view, height: height, width: width) }
