// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// One pre-norm block of Qwen-VL's vision transformer, with Monkey's adapters beside its products (arXiv:2311.06607 §3.1).
struct QwenVisionBlock {
  let norm1, norm2: LayerNorm
  let qkv, output: Linear  // hiddenSize → 3·hiddenSize (q | k | v); hiddenSize → hiddenSize
  let expand, contract: Linear  // hiddenSize → intermediateSize → hiddenSize
  let adapters: [TileAdapters]
  let heads, headSize: Int
  let activation: Activation

  init(_ w: Weights, _ c: QwenVisionConfig) throws(WeightFileError) {
    norm1 = try LayerNorm(w["norm1"], size: c.hiddenSize, epsilon: c.normEpsilon)
    norm2 = try LayerNorm(w["norm2"], size: c.hiddenSize, epsilon: c.normEpsilon)
    qkv = try Linear(w["attn.qkv"], from: c.hiddenSize, to: 3 * c.hiddenSize)
    output = try Linear(w["attn.out"], from: c.hiddenSize, to: c.hiddenSize)
    expand = try Linear(w["mlp.expand"], from: c.hiddenSize, to: c.intermediateSize)
    contract = try Linear(w["mlp.contract"], from: c.intermediateSize, to: c.hiddenSize)
    var adapters: [TileAdapters] = []
    for k in 0..<c.adapterSets { adapters.append(try TileAdapters(w["adapters"][k], hiddenSize: c.hiddenSize)) }
    self.adapters = adapters
    heads = c.heads
    headSize = c.headSize
    activation = c.activation
  }

  /// - Parameters:
  ///   - x: `[views · patches, hiddenSize]`, replaced by the block's output.
  ///   - sets: for each view the adapters it passes, nil: none. All views pass the block's own weights together.
  func callAsFunction(_ x: Tensor, sets: [Int?], _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    if sets.allSatisfy({ $0 == nil }) {
      let context = try attention(qkv: qkv.heads(norm1(x, for: qkv, ctx), headSize: headSize, ctx), batch: sets.count, ctx)
      try output(output.input(context, ctx), addingTo: x, ctx)
      try contract(expand(norm2(x, for: expand, ctx), activation, for: contract, ctx), addingTo: x, ctx)
      return
    }
    let n = try norm1(x, ctx)
    let h = try qkv(n, ctx)
    try adapt(n, h, sets, ctx) { $0.qkv }
    let context = try attention(qkv: h, batch: sets.count, heads: heads, headSize: headSize, ctx)
    let a = try output(context, ctx)
    try adapt(context, a, sets, ctx) { $0.output }
    add(a, to: x, ctx)
    let m = try contract(expand(norm2(x, for: expand, ctx), activation, for: contract, ctx), ctx)
    // This one reads the stream before norm2.
    try adapt(x, m, sets, ctx) { $0.mlp }
    add(m, to: x, ctx)
  }

  private func adapt(
    _ x: Tensor, _ y: Tensor, _ sets: [Int?], _ ctx: Context, _ adapter: (TileAdapters) -> LowRankAdapter
  ) throws(RuntimeError) {
    let patches = x.rows / sets.count
    for (view, set) in sets.enumerated() {
      guard let set else { continue }
      let rows = view * patches..<(view + 1) * patches
      try adapter(adapters[set])(x.slice(rows: rows), addingTo: y.slice(rows: rows), ctx)
    }
  }
}
