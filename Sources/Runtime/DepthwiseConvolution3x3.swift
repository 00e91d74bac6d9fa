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

  /// - Parameters:
  ///   - x: `[height·width, channels]`, a map row by row; zeros stand around it.
  ///   - rows: the map's rows that are wanted.
  /// - Returns: `[rows·width, channels]`.
  package func callAsFunction(_ x: Tensor, height: Int, width: Int, rows: Range<Int>, _ ctx: Context) throws(RuntimeError) -> Tensor {
    guard x.columns == channels else { throw .shape(operation: "convolution channels", expected: channels, found: x.columns) }
    try checkMap(x, height: height, width: width)
    guard rows.lowerBound >= 0, rows.upperBound <= height else {
      throw .shape(operation: "rows of a convolution", expected: height, found: rows.upperBound)
    }
    let y = try ctx.arena.tensor(rows.count &* width, channels)
    // The kernel counts rows of the map, in what it writes as well.
    let top = y.data - rows.lowerBound &* width &* channels
    ctx.split(rows: rows.count, cost: 9 &* width &* channels) { part in
      let (first, end) = (rows.lowerBound &+ part.lowerBound, rows.lowerBound &+ part.upperBound)
      ctx.kernels.depthwise3x3(x.data, weight, bias, top, height, width, channels, first, end)
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
