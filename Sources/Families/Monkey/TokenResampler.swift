// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// TextMonkey's token resampler (arXiv:2403.04473 §3.2): keeps the tokens of all tiles that are least similar to any later one, and lets
/// them attend once to all tokens, at a smaller width.
struct TokenResampler {
  /// Tokens kept.
  let kept: Int
  let down: Linear  // hiddenSize → size
  let normMedia, normLatents, norm: LayerNorm
  let query, keyValue, output: Linear  // size → size; → 2·size (k | v); → size
  let expand, contract: Linear  // size → size → hiddenSize
  let scale: Float
  let heads: Int

  init(_ w: Weights, _ s: TokenResamplerSettings, hiddenSize: Int) throws(WeightFileError) {
    kept = s.kept ?? 0
    let size = w["down"].shape("weight")?.first ?? 1
    heads = s.heads
    try s.check(width: size, file: w.store.file.name)
    down = try Linear(w["down"], from: hiddenSize, to: size)
    normMedia = try LayerNorm(w["normMedia"], size: size, epsilon: 1e-5)
    normLatents = try LayerNorm(w["normLatents"], size: size, epsilon: 1e-5)
    norm = try LayerNorm(w["norm"], size: size, epsilon: 1e-5)
    query = try Linear(w["attn.q"], from: size, to: size)
    keyValue = try Linear(w["attn.kv"], from: size, to: 2 * size)
    output = try Linear(w["attn.out"], from: size, to: size)
    expand = try Linear(w["mlp.expand"], from: size, to: size)
    contract = try Linear(w["mlp.contract"], from: size, to: hiddenSize)
    scale = try w["mlp"].vector("scale", count: 1)[0]
  }

  /// - Parameter x: `[tokens, hiddenSize]`.
  /// - Returns: `[min(kept, tokens), hiddenSize]`.
  func callAsFunction(_ x: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let count = min(kept, x.rows)
    let latents = try ctx.arena.tensor(count, x.columns)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let rows = try distinctRows(x.view, count: count, ctx)
    copyRows(x, to: latents, ctx) { rows[$0] }

    let small = try down(x, ctx)
    let smallLatents = try normLatents(down(latents, ctx), ctx)
    let media = try ctx.arena.tensor(x.rows + count, small.columns)
    try normMedia(small, into: media.slice(rows: 0..<x.rows), ctx)
    copy(smallLatents, to: media.slice(rows: x.rows..<media.rows), ctx)
    let seen = try crossAttention(query: query(smallLatents, ctx), keyValue: keyValue(media, ctx), batch: 1, heads: heads, ctx)
    let h = try expand(norm(output(seen, ctx), ctx), ctx)
    Activation.gelu(h, ctx)
    let o = try contract(h, ctx)
    multiply(o, by: scale, ctx)
    add(o, to: latents, ctx)
    return latents
  }
}
