// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// One pre-norm block of the CLIP vision transformer (arXiv:2103.00020 §2.4; ViT block: arXiv:2010.11929 eq. 2–3),
/// with HiRes-LLaVA's SliceRestore adapter beside its attention where the file holds one (arXiv:2407.08706 §3.2).
package struct CLIPBlock {
  let norm1, norm2: LayerNorm
  let qkv, output: Linear  // hiddenSize → 3·hiddenSize (q | k | v); hiddenSize → hiddenSize
  let expand, contract: Linear  // hiddenSize → intermediateSize → hiddenSize
  let headSize: Int
  let activation: Activation
  let restore: SliceRestore?

  init(_ w: Weights, _ c: CLIPVisionConfig, restore: SliceRestoreConfig?) throws(WeightFileError) {
    norm1 = try LayerNorm(w["norm1"], size: c.hiddenSize, epsilon: c.normEpsilon)
    norm2 = try LayerNorm(w["norm2"], size: c.hiddenSize, epsilon: c.normEpsilon)
    qkv = try Linear(w["attn.qkv"], from: c.hiddenSize, to: 3 * c.hiddenSize)
    output = try Linear(w["attn.out"], from: c.hiddenSize, to: c.hiddenSize)
    expand = try Linear(w["mlp.expand"], from: c.hiddenSize, to: c.intermediateSize)
    contract = try Linear(w["mlp.contract"], from: c.intermediateSize, to: c.hiddenSize)
    headSize = c.headSize
    activation = c.activation
    if let restore {
      self.restore = try SliceRestore(w["restore"], restore, hiddenSize: c.hiddenSize)
    } else {
      self.restore = nil
    }
  }

  /// - Parameters:
  ///   - x: `[views · (1 + patches), hiddenSize]`, the class token first in each view; replaced by the block's output.
  ///   - views: how many images pass together; attention stays within each.
  ///   - merged: the groups of views that are slices of one image, for the adapter; other views pass without it.
  func callAsFunction(_ x: Tensor, views: Int, merged: [SliceGrid], _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    if let restore, !merged.isEmpty {
      let n = try norm1(x, ctx)
      let a = try output(attention(qkv: qkv.heads(qkv.input(n, ctx), headSize: headSize, ctx), batch: views, ctx), ctx)
      let input: Tensor
      switch restore.input {
      case .normed: input = n
      case .residual: input = try ctx.copy(x)
      case .attended: input = a
      }
      add(a, to: x, ctx)
      for grid in merged { try restore(input, addingTo: x, grid, ctx) }
    } else {
      let a = try attention(qkv: qkv.heads(norm1(x, for: qkv, ctx), headSize: headSize, ctx), batch: views, ctx)
      try output(output.input(a, ctx), addingTo: x, ctx)
    }
    let h = try expand(norm2(x, for: expand, ctx), activation, for: contract, ctx)
    try contract(h, addingTo: x, ctx)
  }
}
