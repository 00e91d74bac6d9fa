// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// OPT decoder (arXiv:2205.01068 §2.1): pre-norm blocks like GPT-3's, with ReLU, biases everywhere and learned position embeddings.
package final class OPTModel: Decoder {
  package let config: OPTSettings
  private let cacheType: CacheType
  let embedding: Embedding
  let position: UnsafePointer<Float>  // [contextLength, hiddenSize]
  let blocks: [OPTBlock]
  let norm: LayerNorm
  let head: Linear  // hiddenSize → vocabSize

  package init(_ w: Weights, _ c: OPTSettings, cacheType: CacheType) throws(WeightFileError) {
    config = c
    self.cacheType = cacheType
    embedding = try Embedding(w["embedding"], count: c.vocabSize, size: c.hiddenSize)
    position = try w.table("position", shape: [c.contextLength, c.hiddenSize])
    var blocks: [OPTBlock] = []
    for i in 0..<c.layers { blocks.append(try OPTBlock(w["layers"][i], c)) }
    self.blocks = blocks
    norm = try LayerNorm(w["norm"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    head = c.tiedHead ? embedding.linear : try Linear(w["head"], from: c.hiddenSize, to: c.vocabSize, for: .head)
  }

  package var hiddenSize: Int { config.hiddenSize }
  package var vocabSize: Int { config.vocabSize }
  package var contextLength: Int { config.contextLength }
  package var layers: Int { config.layers }

  /// Bytes of weights one decoded token reads: every block and the head.
  package var bytesPerToken: Int { blocks.reduce(head.byteCount) { $0 + $1.byteCount } }

  package func makeCache(capacity: Int, type: CacheType?, host: HostMemory?) throws(RuntimeError) -> KVCache {
    try KVCache(
      layers: config.layers, kvHeads: config.heads, headSize: config.headSize, capacity: capacity,
      type: type ?? cacheType, host: host)
  }

  package func embed(_ ids: UnsafeBufferPointer<Int32>, into x: Tensor, _ ctx: Context) throws(RuntimeError) {
    try embedding(ids, into: x, ctx)
  }

  package func callAsFunction(
    _ x: Tensor, _ parts: [SequencePart], progress: ((Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let starts = parts.map { $0.cache.length }
    for (part, start) in zip(parts, starts) {
      guard part.rows.count <= config.contextLength - start else { throw .contextFull(capacity: config.contextLength) }
      // Image vectors get position embeddings like tokens.
      let (offset, values) = (position + start &* hiddenSize, x[part.rows.lowerBound])
      ctx.split(elements: part.rows.count &* hiddenSize) { range in
        for i in range { values[i] += offset[i] }
      }
    }
    do {
      for (i, block) in blocks.enumerated() {
        try ctx.check()
        try block(x, parts, layer: i, ctx)
        progress?(i + 1)
      }
      let states = try norm(x, ctx)
      try ctx.check()
      return states
    } catch {
      for (part, start) in zip(parts, starts) { part.cache.truncate(to: start) }
      throw error
    }
  }

  package func logits(_ h: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    try head(h, into: y, ctx)
  }
}

/// One decoder block: LayerNorm, causal attention, LayerNorm, ReLU MLP.
struct OPTBlock {
  let norm1, norm2: LayerNorm
  let qkv, output: Linear  // hiddenSize → 3·hiddenSize (q | k | v); hiddenSize → hiddenSize
  let expand, contract: Linear  // hiddenSize → intermediateSize → hiddenSize
  let heads: Int

  init(_ w: Weights, _ c: OPTSettings) throws(WeightFileError) {
    norm1 = try LayerNorm(w["norm1"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    norm2 = try LayerNorm(w["norm2"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    qkv = try Linear(w["attn.qkv"], from: c.hiddenSize, to: 3 * c.hiddenSize)
    output = try Linear(w["attn.out"], from: c.hiddenSize, to: c.hiddenSize)
    expand = try Linear(w["mlp.expand"], from: c.hiddenSize, to: c.intermediateSize)
    contract = try Linear(w["mlp.contract"], from: c.intermediateSize, to: c.hiddenSize)
    heads = c.heads
  }

  var byteCount: Int { qkv.byteCount + output.byteCount + expand.byteCount + contract.byteCount }

  /// - Parameter x: `[rows, hiddenSize]`, replaced by the block's output.
  func callAsFunction(_ x: Tensor, _ parts: [SequencePart], layer: Int, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let h = try qkv(norm1(x, for: qkv, ctx), ctx)
    for part in parts {
      let key = h[part.rows.lowerBound] + x.columns
      try part.cache.append(layer: layer, key: key, value: key + x.columns, tokens: part.rows.count, stride: h.columns, ctx)
    }
    let a = try causalAttention(query: h.data, queryStride: h.columns, parts: parts, layer: layer, heads: heads, ctx)
    try output(output.input(a, ctx), addingTo: x, ctx)
    ctx.arena.release(to: mark)
    let m = try expand(norm2(x, for: expand, ctx), Activation.relu, for: contract, ctx)
    try contract(m, addingTo: x, ctx)
  }
}
