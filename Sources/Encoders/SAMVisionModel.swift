// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// SAM's image encoder with its neck (arXiv:2304.02643 §A), then two convolutions of stride 2 that leave a sixteenth of the patches
/// (arXiv:2312.06109 §3.2).
package struct SAMVisionModel {
  package let config: SAMSettings
  let patch: PatchEmbedding
  let position: TensorView  // [grid², hiddenSize]
  let blocks: [SAMVisionBlock]
  let reduce: Linear  // hiddenSize → neckSize
  let mix: Convolution3x3  // neckSize → neckSize
  let norm1, norm2: LayerNorm
  let down1, down2: Convolution3x3  // neckSize → middleSize → outputSize

  package init(_ w: Weights, _ c: SAMSettings) throws(WeightFileError) {
    config = c
    patch = try PatchEmbedding(w["patch"], channels: 3, patchSize: c.patchSize, size: c.hiddenSize)
    position = try w.view("position", rows: c.grid * c.grid, columns: c.hiddenSize)
    var blocks: [SAMVisionBlock] = []
    for i in 0..<c.layers { blocks.append(try SAMVisionBlock(w["layers"][i], c, isGlobal: c.globalLayers.contains(i))) }
    self.blocks = blocks
    reduce = try Linear(w["neck.reduce"], from: c.hiddenSize, to: c.neckSize)
    norm1 = try LayerNorm(w["neck.norm1"], size: c.neckSize, epsilon: Float(c.normEpsilon))
    mix = try Convolution3x3(w["neck.mix"], from: c.neckSize, to: c.neckSize)
    norm2 = try LayerNorm(w["neck.norm2"], size: c.neckSize, epsilon: Float(c.normEpsilon))
    down1 = try Convolution3x3(w["down1"], from: c.neckSize, to: c.middleSize, stride: 2)
    down2 = try Convolution3x3(w["down2"], from: c.middleSize, to: c.outputSize, stride: 2)
  }

  /// - Parameters:
  ///   - pixels: `[3, imageSize, imageSize]`, normalised.
  ///   - progress: called after each block with the number done.
  /// - Returns: `[tokens, outputSize]`, row by row.
  package func callAsFunction(
    _ pixels: UnsafePointer<Float>, progress: ((Int) -> Void)? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let c = config
    let y = try ctx.arena.tensor(c.tokens, c.outputSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let x = try patch(pixels, batch: 1, height: c.imageSize, width: c.imageSize, ctx)
    add(position, to: x, ctx)
    for (i, block) in blocks.enumerated() {
      try ctx.check()
      try block(x, grid: c.grid, ctx)
      progress?(i + 1)
    }
    let n = try reduce(x, ctx)
    try norm1(n, into: n, ctx)
    let h = try mix(n, height: c.grid, width: c.grid, ctx)
    try norm2(h, into: h, ctx)
    let half = (c.grid + 1) / 2
    let z = try down2(down1(h, height: c.grid, width: c.grid, ctx), height: half, width: half, ctx)
    copy(z, to: y, ctx)
    return y
  }
}
