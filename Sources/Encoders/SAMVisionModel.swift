// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// SAM's image encoder with its neck (arXiv:2304.02643 §A), then two convolutions of stride 2 that leave a sixteenth of the patches
/// (arXiv:2312.06109 §3.2).
package struct SAMVisionModel {
  package let config: SAMSettings
  let patch: PatchEmbedding
  let position: PositionTable
  let blocks: [SAMVisionBlock]
  let reduce: Linear  // hiddenSize → neckSize
  let mix: Convolution3x3  // neckSize → neckSize
  let norm1, norm2: LayerNorm
  let down1, down2: Convolution3x3  // neckSize → middleSize → outputSize

  /// - Parameter grids: sides in patches of further inputs than the settings'; their relative positions are in the scope `positions`.
  package init(_ w: Weights, _ c: SAMSettings, grids: [Int] = []) throws(WeightFileError) {
    config = c
    patch = try PatchEmbedding(w["patch"], channels: 3, patchSize: c.patchSize, size: c.hiddenSize)
    position = PositionTable(try w.view("position", rows: c.grid * c.grid, columns: c.hiddenSize), side: c.grid)
    var blocks: [SAMVisionBlock] = []
    for i in 0..<c.layers {
      let isGlobal = c.globalLayers.contains(i)
      blocks.append(try SAMVisionBlock(w["layers"][i], c, isGlobal: isGlobal, others: (w["positions"][i], grids)))
    }
    self.blocks = blocks
    reduce = try Linear(w["neck.reduce"], from: c.hiddenSize, to: c.neckSize)
    norm1 = try LayerNorm(w["neck.norm1"], size: c.neckSize, epsilon: Float(c.normEpsilon))
    mix = try Convolution3x3(w["neck.mix"], from: c.neckSize, to: c.neckSize)
    norm2 = try LayerNorm(w["neck.norm2"], size: c.neckSize, epsilon: Float(c.normEpsilon))
    down1 = try Convolution3x3(w["down1"], from: c.neckSize, to: c.middleSize, stride: 2)
    down2 = try Convolution3x3(w["down2"], from: c.middleSize, to: c.outputSize, stride: 2)
  }

  /// - Parameters:
  ///   - pixels: `[3, side, side]`, normalised.
  ///   - grid: the input's side in patches; nil: the settings'.
  ///   - progress: called after each block with the number done.
  /// - Returns: `[tokens, outputSize]`, row by row.
  package func callAsFunction(
    _ pixels: UnsafePointer<Float>, grid: Int? = nil, progress: ((Int) -> Void)? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let c = config
    let grid = grid ?? c.grid
    let y = try ctx.arena.tensor(SAMSettings.tokens(grid: grid), c.outputSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let x = try patch(pixels, batch: 1, height: grid * c.patchSize, width: grid * c.patchSize, ctx)
    try add(position.antialiased(grid: grid, ctx), to: x, ctx)
    for (i, block) in blocks.enumerated() {
      try ctx.check()
      try block(x, grid: grid, ctx)
      progress?(i + 1)
    }
    let n = try reduce(x, ctx)
    try norm1(n, into: n, ctx)
    let h = try mix(n, height: grid, width: grid, ctx)
    try norm2(h, into: h, ctx)
    let half = (grid + 1) / 2
    let z = try down2(down1(h, height: grid, width: grid, ctx), height: half, width: half, ctx)
    copy(z, to: y, ctx)
    return y
  }
}
