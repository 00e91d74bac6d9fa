// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// One pre-norm block of a vision transformer (arXiv:2010.11929 eq. 2–3), with LayerScale where the configuration has it.
struct VisionTransformerBlock {
  let norm1, norm2: LayerNorm
  let qkv, output: Linear  // hiddenSize → 3·hiddenSize (q | k | v); hiddenSize → hiddenSize
  let expand, contract: Linear  // hiddenSize → intermediateSize → hiddenSize
  let scale1, scale2: UnsafePointer<Float>?  // [hiddenSize] each
  let heads, headSize: Int
  let activation: Activation

  init(_ w: Weights, _ c: VisionTransformerConfiguration) throws(WeightFileError) {
    norm1 = try LayerNorm(w["norm1"], size: c.hiddenSize, epsilon: c.normEpsilon)
    norm2 = try LayerNorm(w["norm2"], size: c.hiddenSize, epsilon: c.normEpsilon)
    qkv = try Linear(w["attn.qkv"], from: c.hiddenSize, to: 3 * c.hiddenSize)
    output = try Linear(w["attn.out"], from: c.hiddenSize, to: c.hiddenSize)
    expand = try Linear(w["mlp.expand"], from: c.hiddenSize, to: c.intermediateSize)
    contract = try Linear(w["mlp.contract"], from: c.intermediateSize, to: c.hiddenSize)
    scale1 = c.hasLayerScale ? try w.vector("scale1", count: c.hiddenSize) : nil
    scale2 = c.hasLayerScale ? try w.vector("scale2", count: c.hiddenSize) : nil
    heads = c.heads
    headSize = c.headSize
    activation = c.activation
  }

  /// - Parameters:
  ///   - x: `[views · tokens, hiddenSize]`, replaced by the block's output; attention stays within each view.
  ///   - layer: the block's number, for the hook.
  func callAsFunction(_ x: Tensor, views: Int, hook: (any BlockHook)?, layer: Int, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let places = hook?.places(in: layer) ?? []
    if places.contains(.before) { try hook?.before(x, layer: layer, ctx) }
    let beside = places.contains(.products) ? hook : nil
    let parts = viewParts(views, tokens: x.rows / views)
    guard let hook, let reading = hook.reading(in: layer) else {
      for part in parts {
        let rows = x.slice(rows: part.rows)
        try attend(rows, views: part.views, hook: beside, layer: layer, keeping: nil, ctx)
        try transform(rows, views: part.views, hook: beside, layer: layer, ctx)
      }
      return
    }
    let read = try ctx.arena.tensor(x.rows, x.columns)
    for part in parts {
      let kept = (reading, read.slice(rows: part.rows))
      try attend(x.slice(rows: part.rows), views: part.views, hook: beside, layer: layer, keeping: kept, ctx)
    }
    try hook.afterAttention(read, addingTo: x, layer: layer, ctx)
    ctx.arena.release(to: mark)
    for part in parts {
      try transform(x.slice(rows: part.rows), views: part.views, hook: beside, layer: layer, ctx)
    }
  }

  /// The attention branch.
  /// - Parameters:
  ///   - x: the rows of `views`, increased.
  ///   - hook: works beside the products, which are then not fused.
  ///   - keeping: what to keep for `afterAttention`, and where.
  private func attend(
    _ x: Tensor, views: Range<Int>, hook: (any BlockHook)?, layer: Int, keeping: (AttentionReading, Tensor)?, _ ctx: Context
  ) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    if hook == nil, keeping == nil {
      let a = try attention(qkv: qkv.heads(norm1(x, for: qkv, ctx), headSize: headSize, ctx), batch: views.count, ctx)
      return try accumulate(output, output.input(a, ctx), times: scale1, to: x, ctx)
    }
    if let keeping, keeping.0 == .residual { copy(x, to: keeping.1, ctx) }
    let n = try place(.normed, keeping, like: x, ctx)
    try norm1(x, into: n, ctx)
    let a = try place(.attended, keeping, like: x, ctx)
    if let hook {
      let h = try qkv(n, ctx)
      try hook.besideQueryKeyValue(n, addingTo: h, views: views, layer: layer, ctx)
      let context = try attention(qkv: h, batch: views.count, heads: heads, headSize: headSize, ctx)
      try output(context, into: a, ctx)
      try hook.besideOutput(context, addingTo: a, views: views, layer: layer, ctx)
    } else {
      let context = try attention(qkv: qkv.heads(qkv.input(n, ctx), headSize: headSize, ctx), batch: views.count, ctx)
      try output(context, into: a, ctx)
    }
    if let scale1 { scaleColumns(a, by: scale1, ctx) }
    add(a, to: x, ctx)
  }

  private func place(
    _ reading: AttentionReading, _ keeping: (AttentionReading, Tensor)?, like x: Tensor, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    if let keeping, keeping.0 == reading { return keeping.1 }
    return try ctx.arena.tensor(x.rows, x.columns)
  }

  /// The MLP branch.
  /// - Parameter x: the rows of `views`, increased.
  private func transform(_ x: Tensor, views: Range<Int>, hook: (any BlockHook)?, layer: Int, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let h = try expand(norm2(x, for: expand, ctx), activation, for: contract, ctx)
    guard let hook else { return try accumulate(contract, h, times: scale2, to: x, ctx) }
    let y = try contract(h, ctx)
    try hook.besideMLP(x, addingTo: y, views: views, layer: layer, ctx)
    if let scale2 { scaleColumns(y, by: scale2, ctx) }
    add(y, to: x, ctx)
  }

  /// x += linear(input) · scale.
  private func accumulate(
    _ linear: Linear, _ input: LinearInput, times scale: UnsafePointer<Float>?, to x: Tensor, _ ctx: Context
  ) throws(RuntimeError) {
    if let scale { return try linear(input, times: scale, addingTo: x, ctx) }
    try linear(input, addingTo: x, ctx)
  }
}
