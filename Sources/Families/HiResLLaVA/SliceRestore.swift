// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import Schema
import WeightFile

/// SliceRestore adapter (arXiv:2407.08706 §3.2): merges the slices of an image into one map, mixes neighbours across slice
/// borders by a depth-wise convolution and the whole image by attention on a pooled map, and adds the sum of both to
/// the slices. Class tokens are left out.
struct SliceRestore {
  let local: DepthwiseConvolution3x3
  let qkv, output: Linear  // hiddenSize → 3·hiddenSize (q | k | v); hiddenSize → hiddenSize
  let heads, headSize: Int
  let input: AttentionReading
  let down: Down

  /// Size of the map that global attention sees.
  enum Down { case grid(rows: Int, columns: Int), ratio(Int) }

  init(_ w: Weights, _ c: SliceRestoreSettings, hiddenSize: Int) throws(WeightFileError) {
    local = try DepthwiseConvolution3x3(w["local"], channels: hiddenSize)
    qkv = try Linear(w["attn.qkv"], from: hiddenSize, to: 3 * hiddenSize)
    output = try Linear(w["attn.out"], from: hiddenSize, to: hiddenSize)
    heads = c.heads
    headSize = hiddenSize / c.heads
    input = c.place == .sequential ? .attended : c.source == .residual ? .residual : .normed
    down = c.downRatio.map { .ratio($0) } ?? .grid(rows: c.down[0], columns: c.down[1])
  }

  /// - Parameters:
  ///   - u: `[views · (1 + patches), hiddenSize]`, what the adapter reads.
  ///   - x: same shape; the slices' patch rows get the adapter's output added.
  func callAsFunction(_ u: Tensor, addingTo x: Tensor, _ grid: SliceGrid, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let (height, width) = (grid.height, grid.width)
    let pooledHeight: Int, pooledWidth: Int
    switch down {
    case .grid(let rows, let columns): (pooledHeight, pooledWidth) = (rows, columns)
    case .ratio(let r): (pooledHeight, pooledWidth) = ((height + r - 1) / r, (width + r - 1) / r)
    }
    let pooled = try adaptiveAveragePool(u, height: height, width: width, toHeight: pooledHeight, toWidth: pooledWidth, ctx) {
      grid.sequence(ofMerged: $0)
    }
    let seen = try output(attention(qkv: qkv(pooled, ctx), batch: 1, heads: heads, headSize: headSize, ctx), ctx)

    // A row of slices at a time: the whole map is as large as the residual stream.
    for band in 0..<grid.rows {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let rows = band * grid.side..<(band + 1) * grid.side
      let (first, end) = (max(rows.lowerBound - 1, 0), min(rows.upperBound + 1, height))  // with the neighbours that the convolution sees
      let merged = try ctx.arena.tensor((end - first) * width, u.columns)
      copyRows(u, to: merged, ctx) { grid.sequence(ofMerged: first * width + $0) }
      let near = try local(merged, height: end - first, width: width, rows: rows.lowerBound - first..<rows.upperBound - first, ctx)
      let far = try Interpolation.bilinear(
        seen, height: pooledHeight, width: pooledWidth, toHeight: height, toWidth: width, rows: rows, ctx)
      add(far, to: near, ctx)
      let sequence = grid.sequence(ofRow: band)
      addRows(near, to: x.slice(rows: sequence), ctx) { row in
        grid.merged(ofSequence: sequence.lowerBound + row).map { $0 - rows.lowerBound * width }
      }
    }
  }
}
