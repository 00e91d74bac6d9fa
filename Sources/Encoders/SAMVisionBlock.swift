// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// One block of SAM's image encoder (arXiv:2304.02643 §A; ViTDet, arXiv:2203.16527 §3): pre-norm attention within windows or over the
/// whole grid, with decomposed relative positions, then an MLP with an exact GELU.
struct SAMVisionBlock {
  let norm1, norm2: LayerNorm
  let qkv, output: Linear  // hiddenSize → 3·hiddenSize (q | k | v); hiddenSize → hiddenSize
  let expand, contract: Linear  // hiddenSize → intermediateSize → hiddenSize
  /// For each side that the block's windows, or the whole grid, may have.
  let positions: [RelativePositions]
  let headSize: Int
  /// nil: attention sees the whole grid.
  let window: Int?

  /// Most rows of the MLP at once, which bounds its memory.
  static var chunk: Int { 1024 }

  /// - Parameter others: tables for other grids than the settings', scopes named by their sides; for a block that sees the whole grid.
  init(_ w: Weights, _ c: SAMSettings, isGlobal: Bool, others: (w: Weights, grids: [Int])? = nil) throws(WeightFileError) {
    norm1 = try LayerNorm(w["norm1"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    norm2 = try LayerNorm(w["norm2"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    qkv = try Linear(w["attn.qkv"], from: c.hiddenSize, to: 3 * c.hiddenSize)
    output = try Linear(w["attn.out"], from: c.hiddenSize, to: c.hiddenSize)
    expand = try Linear(w["mlp.expand"], from: c.hiddenSize, to: c.intermediateSize)
    contract = try Linear(w["mlp.contract"], from: c.intermediateSize, to: c.hiddenSize)
    window = isGlobal ? nil : c.windowSize
    var positions = [try RelativePositions(w["attn.positions"], side: window ?? c.grid, headSize: c.headSize)]
    if let others, isGlobal {
      for grid in others.grids { positions.append(try RelativePositions(others.w[grid], side: grid, headSize: c.headSize)) }
    }
    self.positions = positions
    headSize = c.headSize
  }

  /// - Parameter x: `[grid², hiddenSize]`, replaced by the block's output.
  func callAsFunction(_ x: Tensor, grid: Int, _ ctx: Context) throws(RuntimeError) {
    guard let positions = positions.first(where: { $0.side == window ?? grid }) else {
      throw .shape(operation: "grid of relative positions", expected: positions[0].side, found: grid)
    }
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    if let window {
      let windows = Windows(grid: grid, side: window)
      // Cells outside the grid are zeros and take part in attention as keys like any other.
      let n = try norm1(x, rows: windows.count * window * window, place: windows.place, for: qkv, ctx)
      let a = try gridAttention(qkv: qkv.heads(n, headSize: headSize, ctx), batch: windows.count, positions: positions, ctx)
      try output(output.input(a, rows: x.rows, place: windows.row, ctx), addingTo: x, ctx)
    } else {
      let a = try gridAttention(qkv: qkv.heads(norm1(x, for: qkv, ctx), headSize: headSize, ctx), batch: 1, positions: positions, ctx)
      try output(output.input(a, ctx), addingTo: x, ctx)
    }
    ctx.arena.release(to: mark)
    var first = 0
    while first < x.rows {
      let part = x.slice(rows: first..<min(first + SAMVisionBlock.chunk, x.rows))
      let h = try expand(norm2(part, for: expand, ctx), Activation.gelu, for: contract, ctx)
      try contract(h, addingTo: part, ctx)
      ctx.arena.release(to: mark)
      first += part.rows
    }
  }
}
