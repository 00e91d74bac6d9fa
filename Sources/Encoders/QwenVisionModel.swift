// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// Qwen-VL's vision transformer (arXiv:2308.12966 §2.1): patches without a class token, learned positions interpolated to the
/// tile's grid, a norm, the blocks; no norm behind them.
package struct QwenVisionModel {
  package let config: QwenVisionConfig
  let patch: PatchEmbedding
  let position: UnsafePointer<Float>  // [positionGrid², hiddenSize]
  let preNorm: LayerNorm
  let blocks: [QwenVisionBlock]

  package init(_ w: Weights, _ c: QwenVisionConfig) throws(WeightFileError) {
    config = c
    patch = try PatchEmbedding(w["patch"], channels: 3, patchSize: c.patchSize, size: c.hiddenSize)
    position = try w.table("position", shape: [c.positionGrid * c.positionGrid, c.hiddenSize])
    preNorm = try LayerNorm(w["preNorm"], size: c.hiddenSize, epsilon: c.normEpsilon)
    var blocks: [QwenVisionBlock] = []
    for i in 0..<c.layers { blocks.append(try QwenVisionBlock(w["layers"][i], c)) }
    self.blocks = blocks
  }

  /// Encodes all views of an image together, layer by layer, so that each layer's weights are read once per image.
  /// - Parameters:
  ///   - pixels: `[sets.count, 3, tileSize, tileSize]`, normalised.
  ///   - sets: for each view the adapter set it passes, nil: none.
  ///   - before: called before each block with its number and the stream `[views · patches, hiddenSize]`, which it may change.
  ///   - progress: called after each block with the number done.
  /// - Returns: `[sets.count · patches, hiddenSize]`.
  package func callAsFunction(
    _ pixels: UnsafePointer<Float>, sets: [Int?], before: ((Int, Tensor) throws(RuntimeError) -> Void)? = nil,
    progress: ((Int) -> Void)? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let x = try patch(pixels, batch: sets.count, height: config.tileSize, width: config.tileSize, ctx)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let positions = try interpolated(position, side: config.positionGrid, columns: config.hiddenSize, to: config.grid, ctx)
    for view in 0..<sets.count {
      add(positions, to: x.slice(rows: view * config.patches..<(view + 1) * config.patches), ctx)
    }
    try preNorm(x, into: x, ctx)
    for (i, block) in blocks.enumerated() {
      try ctx.check()
      try before?(i, x)
      try block(x, sets: sets, ctx)
      progress?(i + 1)
    }
    return x
  }
}

/// A square table of positions `[side², columns]`, bicubically on another square.
func interpolated(
  _ table: UnsafePointer<Float>, side: Int, columns: Int, to grid: Int, _ ctx: Context
) throws(RuntimeError) -> Tensor {
  // Read only: the table lies in the weights.
  let map = Tensor(data: UnsafeMutablePointer(mutating: table), rows: side * side, columns: columns)
  if side == grid { return map }
  return try Interpolation.bicubic(map, height: side, width: side, toHeight: grid, toWidth: grid, ctx)
}
