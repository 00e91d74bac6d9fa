// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// A pre-norm vision transformer (arXiv:2010.11929): CLIP, DINOv2, SigLIP and similar ones, which differ only in the configuration.
package struct VisionTransformer {
  package let config: VisionTransformerConfiguration
  let patch: PatchEmbedding?  // nil: there is a stem, or features come in place of pixels
  let stem: ConvolutionStem?
  let classEmbedding: TensorView?  // [1, hiddenSize]
  let classPosition: TensorView?  // [1, hiddenSize]
  let positions: PositionTable
  let preNorm, norm: LayerNorm?
  let blocks: [VisionTransformerBlock]

  /// - Parameter w: scope with `patch` (and `stem`), `class`, `position`, `preNorm`, `norm` and `layers.0`, `layers.1`, …; the configuration says which of them.
  package init(_ w: Weights, _ c: VisionTransformerConfiguration) throws(WeightFileError) {
    config = c
    let hasStem = !c.readsFeatures && !c.stem.widths.isEmpty
    patch = c.readsFeatures || hasStem ? nil : try PatchEmbedding(w["patch"], channels: 3, patchSize: c.patchSize, size: c.hiddenSize)
    stem = hasStem ? try ConvolutionStem(w, c.stem, size: c.hiddenSize) : nil
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

  /// Encodes all views of an image together, layer by layer.
  /// - Parameters:
  ///   - pixels: `[views, 3, imageSize, imageSize]`, normalised.
  ///   - hook: called before or beside the blocks.
  ///   - progress: called after each block with the number done; the caller stops the work through `ctx.stop`.
  /// - Returns: `[views · tokensPerView, hiddenSize]`, in each view the class token first where it is kept.
  package func callAsFunction(
    _ pixels: UnsafePointer<Float>, views: Int, hook: (any BlockHook)? = nil, progress: ((Int) -> Void)? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let values = 3 * config.imageSize * config.imageSize
    return try self(views: views, hook: hook, progress: progress, ctx) { pixels + $0.lowerBound * values }
  }

  /// The same for pixels that are made when they are needed.
  /// - Parameter pixels: those of some of the views; may lie in the arena.
  package func callAsFunction(
    views: Int, hook: (any BlockHook)? = nil, progress: ((Int) -> Void)? = nil, _ ctx: Context,
    pixels: (Range<Int>) throws(RuntimeError) -> UnsafePointer<Float>
  ) throws(RuntimeError) -> Tensor {
    let x = try ctx.arena.tensor(views * config.tokens, config.hiddenSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    try embed(views, into: x, ctx, pixels)
    try run(x, views: views, hook: hook, progress: progress, ctx)
    guard config.classToken == .dropped else { return x }
    // In place: every row moves up. On the pool, which runs nothing in a dry run.
    let (patches, tokens) = (config.patches, config.tokens)
    ctx.pool.run(1) { _ in
      for view in 0..<views { x[view * patches].update(from: x[view * tokens + 1], count: patches * x.columns) }
    }
    return x.slice(rows: 0..<views * patches)
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

  /// `[views · patches, hiddenSize]` of as many views.
  private func embedded(_ pixels: UnsafePointer<Float>, views: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let side = config.imageSize
    if let stem { return try stem(pixels, batch: views, height: side, width: side, ctx) }
    guard let patch else { throw .shape(operation: "pixels of a tower that reads features", expected: 0, found: views) }
    return try patch(pixels, batch: views, height: side, width: side, ctx)
  }

  /// Class token and patch embeddings of each view, with position embeddings added.
  /// - Parameter x: `[views · tokens, hiddenSize]`.
  private func embed(
    _ views: Int, into x: Tensor, _ ctx: Context, _ pixels: (Range<Int>) throws(RuntimeError) -> UnsafePointer<Float>
  ) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let (patches, tokens, first) = (config.patches, config.tokens, config.classRows)
    let places = try positions(grid: config.grid, ctx)
    for part in viewParts(views, tokens: tokens) {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let seen = try embedded(pixels(part.views), views: part.views.count, ctx)
      copyRows(seen, to: x.slice(rows: part.rows), ctx) { row in
        let token = row % tokens
        return token < first ? nil : row / tokens * patches + token - first
      }
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
