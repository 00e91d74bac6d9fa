// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// One block of DINOv2 (arXiv:2304.07193): a pre-norm ViT block whose two branches are scaled channel by channel (LayerScale,
/// arXiv:2103.17239 §2.2).
struct DINOv2Block {
  let norm1, norm2: LayerNorm
  let qkv, output: Linear  // hiddenSize → 3·hiddenSize (q | k | v); hiddenSize → hiddenSize
  let expand, contract: Linear  // hiddenSize → intermediateSize → hiddenSize
  let scale1, scale2: UnsafePointer<Float>  // [hiddenSize] each
  let headSize: Int

  init(_ w: Weights, _ c: DINOv2Config) throws(WeightFileError) {
    norm1 = try LayerNorm(w["norm1"], size: c.hiddenSize, epsilon: c.normEpsilon)
    norm2 = try LayerNorm(w["norm2"], size: c.hiddenSize, epsilon: c.normEpsilon)
    qkv = try Linear(w["attn.qkv"], from: c.hiddenSize, to: 3 * c.hiddenSize)
    output = try Linear(w["attn.out"], from: c.hiddenSize, to: c.hiddenSize)
    expand = try Linear(w["mlp.expand"], from: c.hiddenSize, to: c.intermediateSize)
    contract = try Linear(w["mlp.contract"], from: c.intermediateSize, to: c.hiddenSize)
    scale1 = try w.vector("scale1", count: c.hiddenSize)
    scale2 = try w.vector("scale2", count: c.hiddenSize)
    headSize = c.headSize
  }

  /// - Parameter x: `[tiles · (1 + patches), hiddenSize]`, the class token first in each tile; replaced by the block's output.
  func callAsFunction(_ x: Tensor, tiles: Int, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let a = try attention(qkv: qkv.heads(norm1(x, for: qkv, ctx), headSize: headSize, ctx), batch: tiles, ctx)
    try output(output.input(a, ctx), times: scale1, addingTo: x, ctx)
    let h = try expand(norm2(x, for: expand, ctx), Activation.gelu, for: contract, ctx)
    try contract(h, times: scale2, addingTo: x, ctx)
  }
}

/// DINOv2's vision transformer without registers, for square tiles of any side that its patches divide.
package struct DINOv2Model {
  package let config: DINOv2Config
  let patch: PatchEmbedding
  let classEmbedding: UnsafePointer<Float>  // [hiddenSize]
  let position: UnsafePointer<Float>  // [1 + positionSide², hiddenSize]
  let blocks: [DINOv2Block]
  let norm: LayerNorm?

  package init(_ w: Weights, _ c: DINOv2Config) throws(WeightFileError) {
    config = c
    patch = try PatchEmbedding(w["patch"], channels: 3, patchSize: c.patchSize, size: c.hiddenSize)
    classEmbedding = try w.vector("class", count: c.hiddenSize)
    position = try w.table("position", shape: [1 + c.positionSide * c.positionSide, c.hiddenSize])
    var blocks: [DINOv2Block] = []
    for i in 0..<c.layers { blocks.append(try DINOv2Block(w["layers"][i], c)) }
    self.blocks = blocks
    norm = c.normsOutput ? try LayerNorm(w["norm"], size: c.hiddenSize, epsilon: c.normEpsilon) : nil
  }

  /// Encodes all tiles together, layer by layer.
  /// - Parameters:
  ///   - pixels: `[tiles, 3, tileSide, tileSide]`, normalised.
  ///   - progress: called after each block with the number done.
  /// - Returns: the patches' features, `[tiles · patches, hiddenSize]`.
  package func callAsFunction(
    _ pixels: UnsafePointer<Float>, tiles: Int, progress: ((Int) -> Void)? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let tokens = 1 + config.patches
    let features = try ctx.arena.tensor(tiles * config.patches, config.hiddenSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let x = try embed(pixels, tiles: tiles, ctx)
    for (i, block) in blocks.enumerated() {
      try ctx.check()
      try block(x, tiles: tiles, ctx)
      progress?(i + 1)
    }
    if let norm { try norm(x, into: x, ctx) }
    for t in 0..<tiles {
      features[t * config.patches].update(from: x[t * tokens + 1], count: config.patches * config.hiddenSize)
    }
    return features
  }

  /// Class token and patches of each tile, each with its position: `[tiles · (1 + patches), hiddenSize]`.
  private func embed(_ pixels: UnsafePointer<Float>, tiles: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let size = config.hiddenSize
    let tokens = 1 + config.patches
    let x = try ctx.arena.tensor(tiles * tokens, size)
    let places = try positions(ctx)
    let patches = try patch(pixels, batch: tiles, height: config.tileSide, width: config.tileSide, ctx)
    ctx.pool.run(tiles * tokens) { row in
      let (tile, token) = row.quotientAndRemainder(dividingBy: tokens)
      let source = token == 0 ? classEmbedding : UnsafePointer(patches[tile * config.patches + token - 1])
      let offset = token == 0 ? position : UnsafePointer(places[token - 1])
      let target = x[row]
      for k in 0..<size { target[k] = source[k] + offset[k] }
    }
    return x
  }

  /// The patches' positions for this input's side: the stored table resized bicubically, where the sides differ.
  private func positions(_ ctx: Context) throws(RuntimeError) -> Tensor {
    let side = config.positionSide
    let table = Tensor(data: UnsafeMutablePointer(mutating: position + config.hiddenSize), rows: side * side, columns: config.hiddenSize)
    guard side != config.grid else { return table }
    return try Interpolation.bicubic(table, height: side, width: side, toHeight: config.grid, toWidth: config.grid, ctx)
  }
}
