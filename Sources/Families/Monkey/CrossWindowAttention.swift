// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// TextMonkey's shifted window attention (arXiv:2403.04473 §3.1, after Swin, arXiv:2103.14030): tokens of
/// different tiles attend to each other in windows that cross the tiles' borders, at a smaller width. The result is scaled and added.
struct CrossWindowAttention {
  let position: TensorView  // [grid², hiddenSize] of the merged map
  let down: Linear  // hiddenSize → size
  let norm1, norm2: LayerNorm
  let qkv, output: Linear  // size → 3·size (q | k | v); size → size
  let bias: TensorView  // [(2·side − 1)², heads], by the difference of two places in a window
  let expand, contract: Linear  // size → 2·size → hiddenSize
  let scale: Float
  let heads: Int
  let windows: Windows

  /// - Parameter grid: side of the merged map in patches.
  init(_ w: Weights, _ c: CrossWindowSettings, hiddenSize: Int, grid: Int) throws(WeightFileError) {
    windows = Windows(grid: grid, side: c.side, shift: c.shift)
    // If a shape is missing, Linear and table throw an error that names the tensor.
    let size = w["down"].shape("weight")?.first ?? 1
    position = try w.view("position", rows: grid * grid, columns: hiddenSize)
    down = try Linear(w["down"], from: hiddenSize, to: size)
    norm1 = try LayerNorm(w["norm1"], size: size, epsilon: 1e-5)
    norm2 = try LayerNorm(w["norm2"], size: size, epsilon: 1e-5)
    qkv = try Linear(w["attn.qkv"], from: size, to: 3 * size)
    output = try Linear(w["attn.out"], from: size, to: size)
    let differences = (2 * c.side - 1) * (2 * c.side - 1)
    let shape = w["attn"].shape("bias") ?? []
    heads = shape.count == 2 && shape[1] > 0 && size % shape[1] == 0 ? shape[1] : 1
    bias = try w["attn"].view("bias", rows: differences, columns: heads)
    expand = try Linear(w["mlp.expand"], from: size, to: 2 * size)
    contract = try Linear(w["mlp.contract"], from: 2 * size, to: hiddenSize)
    scale = try w["mlp"].vector("scale", count: 1)[0]
  }

  /// - Parameter x: `[grid², hiddenSize]`, the merged map row by row; replaced by the module's output.
  func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let placed = try ctx.copy(x)
    add(position, to: placed, ctx)
    let d = try down(placed, ctx)
    let normed = try norm1(d, ctx)
    let windows = windows
    // Positions beyond the map are zero vectors; they take part in attention like patches.
    let gathered = try ctx.arena.tensor(windows.count * windows.side * windows.side, d.columns)
    copyRows(normed, to: gathered, ctx) { windows.place($0) }
    let seen = try output(windowAttention(qkv: qkv(gathered, ctx), heads: heads, windows: windows, bias: bias, ctx), ctx)
    addRows(seen, to: d, ctx) { windows.row($0) }
    let h = try expand(norm2(d, ctx), ctx)
    Activation.gelu(h, ctx)
    let o = try contract(h, ctx)
    multiply(o, by: scale, ctx)
    add(o, to: x, ctx)
  }
}
