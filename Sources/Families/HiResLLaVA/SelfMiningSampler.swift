// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import Schema
import WeightFile

/// HiRes-LLaVA's Self-Mining Sampler (arXiv:2407.08706 §3.3): each token is an average-pooled cell of the feature map that
/// attends to the full-resolution features in one cross-attention, and is projected to the decoder's width.
struct SelfMiningSampler {
  let normQuery, normKeyValue, normOutput: LayerNorm
  let query, keyValue, output: Linear  // hiddenSize → hiddenSize; → 2·hiddenSize (k | v); → hiddenSize
  let projector: MLPProjector  // hiddenSize → outputSize
  let heads: Int
  /// Side of a pooled cell in patches.
  let kernel: Int
  /// True: a token attends to its own cell only; false: to the whole view.
  let isLocal: Bool

  init(_ w: Weights, _ s: SelfMiningSettings, hiddenSize: Int, outputSize: Int) throws(WeightFileError) {
    normQuery = try LayerNorm(w["normQuery"], size: hiddenSize, epsilon: 1e-5)
    normKeyValue = try LayerNorm(w["normKeyValue"], size: hiddenSize, epsilon: 1e-5)
    normOutput = try LayerNorm(w["normOutput"], size: hiddenSize, epsilon: 1e-5)
    query = try Linear(w["attn.q"], from: hiddenSize, to: hiddenSize)
    keyValue = try Linear(w["attn.kv"], from: hiddenSize, to: 2 * hiddenSize)
    output = try Linear(w["attn.out"], from: hiddenSize, to: hiddenSize)
    projector = try MLPProjector(w["mlp"], from: hiddenSize, to: outputSize, layers: 2)
    heads = s.heads
    kernel = s.kernel
    isLocal = s.isLocal
  }

  /// Tokens of one view with `side × side` patches.
  func tokens(side: Int) -> Int { (side / kernel) * (side / kernel) }

  /// - Parameter p: `[views · side², hiddenSize]`.
  /// - Returns: `[views · tokens(side), outputSize]`, row-major within a view.
  func callAsFunction(_ p: Tensor, views: Int, side: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    // Views stacked vertically are one tall map: cells never cross a view, since kernel divides side.
    let pooled = try averagePool(p, height: views * side, width: side, window: kernel, ctx)
    let q = try query(normQuery(pooled, ctx), ctx)
    let source = isLocal ? try gatherCells(p, views: views, side: side, ctx) : p
    let kv = try keyValue(normKeyValue(source, ctx), ctx)
    let batch = isLocal ? pooled.rows : views
    let z = try output(crossAttention(query: q, keyValue: kv, batch: batch, heads: heads, ctx), ctx)
    add(pooled, to: z, ctx)
    return try projector(normOutput(z, ctx), ctx)
  }

  /// The patches in cell order: all of cell 0, then all of cell 1, …
  private func gatherCells(_ p: Tensor, views: Int, side: Int, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let cells = try ctx.arena.tensor(p.rows, p.columns)
    let across = side / kernel
    copyRows(p, to: cells, ctx) { row in
      let (cell, k) = row.quotientAndRemainder(dividingBy: kernel * kernel)
      return (cell / across * kernel + k / kernel) * side + cell % across * kernel + k % kernel
    }
    return cells
  }
}
