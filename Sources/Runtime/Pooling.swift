// SPDX-License-Identifier: Apache-2.0
import Kernels

/// Mean of square windows of `window` pixels a side that do not overlap; what fills no whole window is left out (`torch.nn.AvgPool2d`).
/// - Parameter x: `[height·width, channels]`.
/// - Returns: `[(height / window)·(width / window), channels]`.
package func averagePool(_ x: Tensor, height: Int, width: Int, window: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
  guard window > 0, height >= window, width >= window else {
    throw .shape(operation: "pooling window", expected: min(height, width), found: window)
  }
  try checkMap(x, height: height, width: width)
  return try pool(
    x, height: height, width: width, toHeight: height / window, toWidth: width / window, ctx, row: { $0 }
  ) { i, _, _ in i &* window..<(i + 1) &* window }
}

/// Mean of windows that cover the map evenly: target i is made of source ⌊i·n/m⌋ ..< ⌈(i+1)·n/m⌉ (`torch.nn.AdaptiveAvgPool2d`).
/// - Parameter x: `[height·width, channels]`.
/// - Returns: `[toHeight·toWidth, channels]`.
package func adaptiveAveragePool(
  _ x: Tensor, height: Int, width: Int, toHeight: Int, toWidth: Int, _ ctx: Context
) throws(RuntimeError) -> Tensor {
  try checkMap(x, height: height, width: width)
  return try adaptiveAveragePool(x, height: height, width: width, toHeight: toHeight, toWidth: toWidth, ctx) { $0 }
}

/// The same for a map whose pixels stand in another order, or among other rows.
/// - Parameter row: where a pixel of the map stands in x.
package func adaptiveAveragePool(
  _ x: Tensor, height: Int, width: Int, toHeight: Int, toWidth: Int, _ ctx: Context, row: (Int) -> Int
) throws(RuntimeError) -> Tensor {
  guard toHeight > 0, toWidth > 0 else { throw .shape(operation: "pooling target", expected: 1, found: min(toHeight, toWidth)) }
  return try pool(
    x, height: height, width: width, toHeight: toHeight, toWidth: toWidth, ctx, row: row
  ) { i, source, target in i &* source / target..<((i + 1) &* source + target - 1) / target }
}

/// - Parameters:
///   - row: where a pixel of the map stands in x.
///   - window: source indices of target index i, given the sizes of both sides.
private func pool(
  _ x: Tensor, height: Int, width: Int, toHeight: Int, toWidth: Int, _ ctx: Context, row place: (Int) -> Int,
  window: (_ i: Int, _ source: Int, _ target: Int) -> Range<Int>
) throws(RuntimeError) -> Tensor {
  let (pixels, overflow) = toHeight.multipliedReportingOverflow(by: toWidth)
  guard !overflow else { throw .outOfMemory(bytes: .max) }
  let channels = x.columns
  let y = try ctx.arena.tensor(pixels, channels)
  ctx.split(rows: toHeight, cost: max(height / toHeight, 1) &* width &* channels) { range in
    for row in range {
      let rows = window(row, height, toHeight)
      for column in 0..<toWidth {
        let columns = window(column, width, toWidth)
        let out = y[row &* toWidth &+ column]
        out.update(repeating: 0, count: channels)
        for r in rows {
          for c in columns { ctx.kernels.add(x[place(r &* width &+ c)], out, channels) }
        }
        // Divided, not multiplied by a reciprocal: PyTorch's rounding.
        let count = Float(rows.count &* columns.count)
        for channel in 0..<channels { out[channel] /= count }
      }
    }
  }
  return y
}
