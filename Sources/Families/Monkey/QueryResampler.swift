// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import Schema
import WeightFile

/// Qwen-VL's position-aware adapter (arXiv:2308.12966 §2.1): learned queries attend once to all patches of a view, with two-dimensional
/// position encodings on queries and keys; then a norm and a projection.
struct QueryResampler {
  let queries, outputSize: Int
  /// Sides of the square grids of queries and patches.
  let side, grid: Int
  let heads: Int
  let query: TensorView  // [queries, outputSize]
  let position: PositionTable  // of side²
  let keyValue: Linear?  // hiddenSize → outputSize; none where the widths are equal
  let normQuery, normKeyValue, normOutput: LayerNorm
  let attentionQuery, attentionKey, attentionValue, attentionOutput: Linear  // outputSize → outputSize
  let projection: Linear  // outputSize → outputSize

  init(_ w: Weights, _ s: QueryResamplerSettings, _ c: VisionTransformerConfiguration) throws(WeightFileError) {
    let outputSize = s.outputSize
    (side, queries, heads, grid) = (s.side, s.queries, s.heads, c.grid)
    self.outputSize = outputSize
    query = try w.view("query", rows: queries, columns: outputSize)
    position = PositionTable(try w.view("position", rows: queries, columns: outputSize), side: side)
    keyValue =
      w["keyValue"].has("weight") || c.hiddenSize != outputSize
      ? try Linear(w["keyValue"], from: c.hiddenSize, to: outputSize) : nil
    normQuery = try LayerNorm(w["normQuery"], size: outputSize, epsilon: c.normEpsilon)
    normKeyValue = try LayerNorm(w["normKeyValue"], size: outputSize, epsilon: c.normEpsilon)
    normOutput = try LayerNorm(w["normOutput"], size: outputSize, epsilon: c.normEpsilon)
    attentionQuery = try Linear(w["attn.q"], from: outputSize, to: outputSize)
    attentionKey = try Linear(w["attn.k"], from: outputSize, to: outputSize)
    attentionValue = try Linear(w["attn.v"], from: outputSize, to: outputSize)
    attentionOutput = try Linear(w["attn.out"], from: outputSize, to: outputSize)
    projection = try Linear(w["projection"], from: outputSize, to: outputSize)
  }

  /// - Parameter x: `[views · grid², hiddenSize]`.
  /// - Returns: `[views · queries, outputSize]`.
  func callAsFunction(_ x: Tensor, views: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let result = try ctx.arena.tensor(views * queries, outputSize)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let start = try normQuery(query, ctx)
    add(position.values, to: start, ctx)
    // The queries are the same for every view.
    let q = try attentionQuery(start, ctx)
    let positions = try position(grid: grid, ctx)
    let seen = try ctx.arena.tensor(views * queries, outputSize)
    let perView = ctx.arena.mark()
    // View by view: keys and values are several times as wide as the tower's features.
    for view in 0..<views {
      let patches = x.slice(rows: view * positions.rows..<(view + 1) * positions.rows)
      let source = try normKeyValue(keyValue?(patches, ctx) ?? patches, ctx)
      let value = try attentionValue(source, ctx)
      add(positions, to: source, ctx)
      let key = try attentionKey(source, ctx)
      let answer = try crossAttention(query: q, key: key, value: value, batch: 1, heads: heads, ctx)
      copyRows(answer, to: seen.slice(rows: view * queries..<(view + 1) * queries), ctx) { $0 }
      ctx.arena.release(to: perView)
    }
    let z = try attentionOutput(seen, ctx)
    try projection(normOutput(z, ctx), into: result, ctx)
    return result
  }
}
