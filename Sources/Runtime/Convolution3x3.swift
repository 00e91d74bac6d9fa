// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A 3×3 convolution over all channels with zero padding, as im2col and a GEMM.
package struct Convolution3x3 {
  private let linear: Linear
  package let channels, step: Int

  /// - Parameters:
  ///   - w: leaf `weight` (packed, `[outputs, 9·channels]`, inputs ordered y, x, channel) and optionally `bias`.
  ///   - stride: 1, or 2 for a map of half the size.
  package init(_ w: Weights, from channels: Int, to outputs: Int, stride: Int = 1) throws(WeightFileError) {
    linear = try Linear(w, from: 9 * channels, to: outputs)
    self.channels = channels
    step = stride
  }

  /// Output pixels whose neighbourhoods are gathered at once.
  private static var chunk: Int { 1024 }

  /// - Parameter x: `[height·width, channels]`, a map row by row.
  /// - Returns: `[⌈height / stride⌉·⌈width / stride⌉, outputs]`.
  package func callAsFunction(_ x: Tensor, height: Int, width: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    guard x.columns == channels else { throw .shape(operation: "convolution channels", expected: channels, found: x.columns) }
    try checkMap(x, height: height, width: width)
    let across = (width - 1) / step + 1
    let y = try ctx.arena.tensor(((height - 1) / step + 1) &* across, linear.outputSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let gathered = try ctx.arena.tensor(min(Convolution3x3.chunk, y.rows), 9 &* channels)
    var first = 0
    while first < y.rows {
      try ctx.check()
      let part = gathered.slice(rows: 0..<min(gathered.rows, y.rows - first))
      ctx.split(rows: part.rows, cost: 9 &* channels) { rows in
        for row in rows {
          let (top, left) = ((first &+ row) / across &* step &- 1, (first &+ row) % across &* step &- 1)
          for k in 0..<9 {
            let (py, px) = (top &+ k / 3, left &+ k % 3)
            let target = part[row] + k &* channels
            if py >= 0, py < height, px >= 0, px < width {
              target.update(from: x[py &* width &+ px], count: channels)
            } else {
              target.update(repeating: 0, count: channels)
            }
          }
        }
      }
      try linear(part, into: y.slice(rows: first..<first + part.rows), ctx)
      first += part.rows
    }
    return y
  }
}
