// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// The causal flow encoder of DeepSeek-OCR 2 (arXiv:2601.20552 §3.2): a Qwen2 decoder over a map's features, which see each other, and as
/// many learned queries behind them, of which each sees all features and the queries before it. The queries' states are its output.
package struct CausalFlowEncoder {
  package let config: CausalFlowSettings
  let blocks: [CausalFlowBlock]
  let norm: RMSNorm
  let rotary: RotaryEmbedding

  package init(_ w: Weights, _ c: CausalFlowSettings) throws(WeightFileError) {
    config = c
    var blocks: [CausalFlowBlock] = []
    for i in 0..<c.layers { blocks.append(try CausalFlowBlock(w["layers"][i], c)) }
    self.blocks = blocks
    norm = try RMSNorm(w["norm"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    rotary = RotaryEmbedding(headSize: c.headSize, theta: Float(c.ropeTheta))
  }

  /// - Parameters:
  ///   - features: `[views · places, hiddenSize]`.
  ///   - queries: `[queries, hiddenSize]`, the same for every view.
  ///   - progress: called after each block with the number done.
  /// - Returns: `[views · queries, hiddenSize]`.
  package func callAsFunction(
    features: Tensor, queries: TensorView, views: Int, progress: ((Int) -> Void)? = nil, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    guard views > 0, features.rows % views == 0 else { throw .shape(operation: "features of views", expected: views, found: features.rows) }
    for columns in [features.columns, queries.columns] where columns != config.hiddenSize {
      throw .shape(operation: "features of an encoder", expected: config.hiddenSize, found: columns)
    }
    let y = try ctx.arena.tensor(views * queries.rows, config.hiddenSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let places = features.rows / views
    let rows = places + queries.rows
    let x = try ctx.arena.tensor(views * rows, config.hiddenSize)
    copyRows(features, to: x, ctx) { $0 % rows < places ? $0 / rows * places + $0 % rows : nil }
    addRows(queries, to: x, ctx) { $0 % rows < places ? nil : $0 % rows - places }
    for (i, block) in blocks.enumerated() {
      try ctx.check()
      try block(x, views: views, prefix: places, rotary, ctx)
      progress?(i + 1)
    }
    copyRows(x, to: y, ctx) { $0 / queries.rows * rows + places + $0 % queries.rows }
    try norm(y, into: y, ctx)
    return y
  }
}

/// One of its blocks: RMSNorm, grouped-query attention with RoPE, RMSNorm, SwiGLU.
struct CausalFlowBlock {
  let norm1, norm2: RMSNorm
  let qkv: Linear  // hiddenSize → (heads + 2·kvHeads)·headSize (q | k | v)
  let output: Linear  // heads·headSize → hiddenSize
  let mlp: GatedFeedForward
  let heads, kvHeads, headSize: Int

  init(_ w: Weights, _ c: CausalFlowSettings) throws(WeightFileError) {
    norm1 = try RMSNorm(w["norm1"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    norm2 = try RMSNorm(w["norm2"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    qkv = try Linear(w["attn.qkv"], from: c.hiddenSize, to: (c.heads + 2 * c.kvHeads) * c.headSize)
    output = try Linear(w["attn.out"], from: c.heads * c.headSize, to: c.hiddenSize)
    mlp = try GatedFeedForward(w["mlp"], hiddenSize: c.hiddenSize, intermediateSize: c.intermediateSize)
    (heads, kvHeads, headSize) = (c.heads, c.kvHeads, c.headSize)
  }

  /// - Parameters:
  ///   - x: `[views · n, hiddenSize]`, replaced by the block's output.
  ///   - prefix: rows of a view that see each other.
  func callAsFunction(_ x: Tensor, views: Int, prefix: Int, _ rotary: RotaryEmbedding, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let h = try qkv(norm1(x, for: qkv, ctx), ctx)
    let rows = x.rows / max(views, 1)
    for view in 0..<views {
      rotary(h[view * rows], stride: h.columns, tokens: rows, heads: heads + kvHeads, firstPosition: 0, ctx)
    }
    let a = try prefixAttention(qkv: h, batch: views, prefix: prefix, heads: heads, kvHeads: kvHeads, headSize: headSize, ctx)
    try output(output.input(a, ctx), addingTo: x, ctx)
    ctx.arena.release(to: mark)
    try mlp.contract(mlp.gateUp.gated(norm2(x, for: mlp.gateUp, ctx), for: mlp.contract, ctx), addingTo: x, ctx)
  }
}
