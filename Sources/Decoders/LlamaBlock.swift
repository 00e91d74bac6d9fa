// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// One LLaMA decoder block (arXiv:2302.13971 §2.2): RMSNorm, grouped-query attention with RoPE, RMSNorm, SwiGLU or a mixture of experts.
struct LlamaBlock {
  let norm1, norm2: RMSNorm
  let qkv: Linear  // hiddenSize → (heads + 2·kvHeads)·headSize (q | k | v)
  let output: Linear  // heads·headSize → hiddenSize
  let feedForward: FeedForward
  let heads, kvHeads, headSize: Int

  /// - Parameter mixture: the mixture of experts that replaces the SwiGLU; nil: none.
  init(_ w: Weights, _ c: LlamaSettings, mixture: MixtureSettings?) throws(WeightFileError) {
    norm1 = try RMSNorm(w["norm1"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    norm2 = try RMSNorm(w["norm2"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    qkv = try Linear(w["attn.qkv"], from: c.hiddenSize, to: (c.heads + 2 * c.kvHeads) * c.headSize)
    output = try Linear(w["attn.out"], from: c.heads * c.headSize, to: c.hiddenSize)
    feedForward = try FeedForward(w["mlp"], c, mixture)
    heads = c.heads
    kvHeads = c.kvHeads
    headSize = c.headSize
  }

  /// Bytes of weights that one token reads.
  var bytesPerToken: Int { qkv.byteCount + output.byteCount + feedForward.bytesPerToken }

  /// - Parameter x: `[rows, hiddenSize]`, replaced by the block's output; the caches hold what is before each sequence's rows.
  func callAsFunction(_ x: Tensor, _ sequences: [LlamaSequence], logn: LogNScaling?, layer: Int, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let h = try qkv(norm1(x, for: qkv, ctx), ctx)
    for sequence in sequences {
      let (row, tokens, first) = (h[sequence.part.rows.lowerBound], sequence.part.rows.count, sequence.firstPosition)
      let key = row + heads * headSize
      let value = key + kvHeads * headSize
      sequence.rotary(row, stride: h.columns, tokens: tokens, heads: heads + kvHeads, firstPosition: first, ctx)
      logn?(row, stride: h.columns, size: heads * headSize, tokens: tokens, firstPosition: first, ctx)
      try sequence.part.cache.append(layer: layer, key: key, value: value, tokens: tokens, stride: h.columns, ctx)
    }
    let a = try causalAttention(
      query: h.data, queryStride: h.columns, parts: sequences.map { $0.part }, layer: layer, heads: heads, ctx)
    try output(output.input(a, ctx), addingTo: x, ctx)
    ctx.arena.release(to: mark)
    try feedForward(norm2, addingTo: x, ctx)
  }
}

/// A sequence of a pass: its rows, the position of the first, and its RoPE table.
struct LlamaSequence {
  let part: SequencePart
  let firstPosition: Int
  let rotary: RotaryEmbedding

  init(_ part: SequencePart, rotary: RotaryEmbedding) {
    self.part = part
    self.rotary = rotary
    firstPosition = part.cache.length
  }
}
