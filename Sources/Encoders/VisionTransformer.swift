// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// A pre-norm vision transformer (arXiv:2010.11929): CLIP, DINOv2, SigLIP and similar ones, which differ only in the configuration.
package struct VisionTransformer {
  package let config: VisionTransformerConfiguration
  let patch: PatchEmbedding?  // nil: features come in place of pixels
  let classEmbedding: TensorView?  // [1, hiddenSize]
  let classPosition: TensorView?  // [1, hiddenSize]
  let positions: PositionTable
  let preNorm, norm: LayerNorm?
  let blocks: [VisionTransformerBlock]

  /// - Parameter w: scope with `patch`, `class`, `position`, `preNorm`, `norm` and `layers.0`, `layers.1`, …; the configuration says which of them.
  package init(_ w: Weights, _ c: VisionTransformerConfiguration) throws(WeightFileError) {
    config = c
    patch = c.readsFeatures ? nil : try PatchEmbedding(w["patch"], channels: 3, patchSize: c.patchSize, size: c.hiddenSize)
    let places = c.positionSide * c.positionSide
    let table = try w.view("position", rows: c.classRows + places, columns: c.hiddenSize)
    positions = PositionTable(table.slice(rows: c.classRows..<table.rows), side: c.positionSide, resizing: c.positions)
    if c.classToken == .none {
      (classEmbedding, classPosition) = (nil, nil)
    } else {
      classEmbedding = try w.row("class", count: c.hiddenSize)
      classPosition = table.slice(rows: 0..<1)
    }
    preNorm = c.normsInput ? try LayerNorm(w["preNorm"], size: c.hiddenSize, epsilon: c.normEpsilon) : nil
    norm = c.normsOutput ? try LayerNorm(w["norm"], size: c.hiddenSize, epsilon: c.normEpsilon) : nil
    var blocks: [VisionTransformerBlock] = []
    for i in 0..<c.layers { blocks.append(try VisionTransformerBlock(w["layers"][i], c)) }
    self.blocks = blocks
  }

  /// Encodes all views of an image together, layer by layer, so that each layer's weights are read once per image.
  /// - Parameters:
  ///   - pixels: `[views, 3, imageSize, imageSize]`, normalised.
  ///   - hook: called before or beside the blocks.
  ///   - progress: called after each block with the number done; the caller stops the work through `ctx.stop`.
  /// - Returns: `[views · tokensPerView, hiddenSize]`, in each view the class token first where it is kept.
  package func callAsFunction(
    _ pixels: UnsafePointer<Float>, views: Int, hook: (any BlockHook)? = nil, progress: ((Int) -> Void)? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let features = try ctx.arena.tensor(views * config.tokensPerView, config.hiddenSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    // Without a class token to drop, the features are the residual stream itself.
    let isStream = config.classToken != .dropped
    let x = isStream ? features : try ctx.arena.tensor(views * config.tokens, config.hiddenSize)
    try embed(pixels, views: views, into: x, ctx)
    try run(x, views: views, hook: hook, progress: progress, ctx)
    guard !isStream else { return features }
    let (patches, tokens) = (config.patches, config.tokens)
    copyRows(x, to: features, ctx) { $0 / patches * tokens + 1 + $0 % patches }
    return features
  }

  /// The blocks and the norms around them.
  /// - Parameter x: `[views · tokens, hiddenSize]`, replaced.
  func run(_ x: Tensor, views: Int, hook: (any BlockHook)?, progress: ((Int) -> Void)?, _ ctx: Context) throws(RuntimeError) {
    if let preNorm { try preNorm(x, into: x, ctx) }
    for (i, block) in blocks.enumerated() {
      try ctx.check()
      try block(x, views: views, hook: hook, layer: i, ctx)
      progress?(i + 1)
    }
    if let norm { try norm(x, into: x, ctx) }
  }

  /// Class token and patch embeddings of each view, with position embeddings added.
  /// - Parameter x: `[views · tokens, hiddenSize]`.
  private func embed(_ pixels: UnsafePointer<Float>, views: Int, into x: Tensor, _ ctx: Context) throws(RuntimeError) {
    guard let patch else { throw .shape(operation: "pixels of a tower that reads features", expected: 0, found: views) }
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let (patches, tokens, first) = (config.patches, config.tokens, config.classRows)
    let places = try positions(grid: config.grid, ctx)
    let seen = try patch(pixels, batch: views, height: config.imageSize, width: config.imageSize, ctx)
    copyRows(seen, to: x, ctx) { row in
      let token = row % tokens
      return token < first ? nil : row / tokens * patches + token - first
    }
    addRows(places, to: x, ctx) { row in
      let token = row % tokens
      return token < first ? nil : token - first
    }
    for part in [classEmbedding, classPosition] {
      if let part { addRows(part, to: x, ctx) { $0 % tokens == 0 ? 0 : nil } }
    }
  }
}
