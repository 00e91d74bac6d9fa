// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// CLIP's vision transformer up to the feature layer a system selects (arXiv:2103.00020; LLaVA takes `hidden_states[-2]`).
package struct CLIPVisionModel {
  package let config: CLIPVisionConfig
  let patch: PatchEmbedding
  let classEmbedding: UnsafePointer<Float>  // [hiddenSize]
  let position: UnsafePointer<Float>  // [1 + patches, hiddenSize]
  let preNorm: LayerNorm
  let blocks: [CLIPBlock]

  package init(_ w: Weights, _ c: CLIPVisionConfig, restore: SliceRestoreConfig? = nil) throws(WeightFileError) {
    config = c
    patch = try PatchEmbedding(w["patch"], channels: 3, patchSize: c.patchSize, size: c.hiddenSize)
    classEmbedding = try w.vector("class", count: c.hiddenSize)
    position = try w.table("position", shape: [1 + c.patches, c.hiddenSize])
    preNorm = try LayerNorm(w["preNorm"], size: c.hiddenSize, epsilon: c.normEpsilon)
    var blocks: [CLIPBlock] = []
    for i in 0..<c.layers {
      let adapter = restore.flatMap { $0.layers.contains(i) ? $0 : nil }
      blocks.append(try CLIPBlock(w["layers"]["\(i)"], c, restore: adapter))
    }
    self.blocks = blocks
  }

  /// Encodes all views of an image together, layer by layer, so that each layer's weights are read once per image.
  /// - Parameters:
  ///   - pixels: `[views, 3, imageSize, imageSize]`, normalised.
  ///   - merged: the slices among the views, for SliceRestore; empty when there are none.
  ///   - progress: called after each block with the number done; the caller stops the work through `ctx.stop`.
  /// - Returns: features of the selected layer, `[views · patches, hiddenSize]`, or with the class token in front of
  ///   each view (`views · (1 + patches)` rows) where the configuration keeps it.
  package func callAsFunction(
    _ pixels: UnsafePointer<Float>, views: Int, merged: [SliceGrid] = [], progress: ((Int) -> Void)? = nil,
    _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let tokens = 1 + config.patches
    let rows = config.dropsClass ? views * config.patches : views * tokens
    let features = try ctx.arena.tensor(rows, config.hiddenSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let x = try preNorm(embed(pixels, views: views, ctx), ctx)
    for (i, block) in blocks.enumerated() {
      try ctx.check()
      try block(x, views: views, merged: merged, ctx)
      progress?(i + 1)
    }
    let skipped = config.dropsClass ? 1 : 0
    for v in 0..<views {
      let kept = tokens - skipped
      features[v * kept].update(from: x[v * tokens + skipped], count: kept * config.hiddenSize)
    }
    return features
  }

  /// Class token and patches of each view, each with its position: `[views · (1 + patches), hiddenSize]`.
  private func embed(_ pixels: UnsafePointer<Float>, views: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let size = config.hiddenSize
    let tokens = 1 + config.patches
    let x = try ctx.arena.tensor(views * tokens, size)
    let patches = try patch(pixels, batch: views, height: config.imageSize, width: config.imageSize, ctx)
    ctx.pool.run(views * tokens) { row in
      let (view, token) = row.quotientAndRemainder(dividingBy: tokens)
      let source = token == 0 ? classEmbedding : UnsafePointer(patches[view * config.patches + token - 1])
      let target = x[row]
      let offset = position + token * size
      for k in 0..<size { target[k] = source[k] + offset[k] }
    }
    return x
  }
}
