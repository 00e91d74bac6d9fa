// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// LLaMA decoder (arXiv:2302.13971). Vicuna, Mistral without a sliding window, Qwen v1 (arXiv:2309.16609 §2.3; biased q|k|v, dynamic NTK and logn
/// scaling; its `w2` is the gate), Qwen2, DeepSeek without latent attention (arXiv:2401.06066; a mixture of experts) and the nano models
/// share it.
package final class LlamaModel: Decoder {
  package let config: LlamaSettings
  private let cacheType: CacheType
  let embedding: Embedding
  let blocks: [LlamaBlock]
  let norm: RMSNorm
  let head: Linear  // hiddenSize → vocabSize
  let rotary: RotaryTables
  let logn: LogNScaling?

  /// - Parameter mixture: replaces the feed-forward of blocks after its first `denseLayers`.
  package init(
    _ w: Weights, _ c: LlamaSettings, mixture: MixtureSettings? = nil, cacheType: CacheType
  ) throws(WeightFileError) {
    config = c
    self.cacheType = cacheType
    embedding = try Embedding(w["embedding"], count: c.vocabSize, size: c.hiddenSize)
    var blocks: [LlamaBlock] = []
    for i in 0..<c.layers {
      blocks.append(try LlamaBlock(w["layers"]["\(i)"], c, mixture: mixture.flatMap { i < $0.denseLayers ? nil : $0 }))
    }
    self.blocks = blocks
    norm = try RMSNorm(w["norm"], size: c.hiddenSize, epsilon: Float(c.normEpsilon))
    head = c.tiedHead ? embedding.linear : try Linear(w["head"], from: c.hiddenSize, to: c.vocabSize, for: .head)
    rotary = RotaryTables(c)
    logn = c.lognContext.map { LogNScaling(trained: $0) }
  }

  package var hiddenSize: Int { config.hiddenSize }
  package var vocabSize: Int { config.vocabSize }
  package var contextLength: Int { config.contextLength }
  package var layers: Int { config.layers }

  /// Bytes of weights one decoded token reads: every block, with only one token's experts, and the head, not the embedding table.
  package var bytesPerToken: Int { blocks.reduce(head.byteCount) { $0 + $1.bytesPerToken } }

  package func tableBytes(positions: Int) -> Int { rotary[0].tableBytes(positions: positions) }

  package func makeCache(capacity: Int, type: CacheType?, host: HostMemory?) throws(RuntimeError) -> KVCache {
    try KVCache(
      layers: config.layers, kvHeads: config.kvHeads, headSize: config.headSize, capacity: capacity,
      type: type ?? cacheType, host: host)
  }

  package func prepare(_ cache: KVCache, promptLength: Int) {
    let ropeTable = rotary.ropeTable(promptLength: promptLength)
    if cache.ropeTable != ropeTable { cache.truncate(to: 0) }
    cache.ropeTable = ropeTable
  }

  package func embed(_ ids: UnsafeBufferPointer<Int32>, into x: Tensor, _ ctx: Context) throws(RuntimeError) {
    try embedding(ids, into: x, ctx)
  }

  package func callAsFunction(
    _ x: Tensor, _ parts: [SequencePart], progress: ((Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let sequences = parts.map { LlamaSequence($0, rotary: rotary[$0.cache.ropeTable]) }
    do {
      for (i, block) in blocks.enumerated() {
        try ctx.check()
        try block(x, sequences, logn: logn, layer: i, ctx)
        progress?(i + 1)
      }
      let states = try norm(x, ctx)
      try ctx.check()
      return states
    } catch {
      for sequence in sequences { sequence.part.cache.truncate(to: sequence.firstPosition) }
      throw error
    }
  }

  package func logits(_ h: Tensor, into y: Tensor, _ ctx: Context) throws(RuntimeError) {
    try head(h, into: y, ctx)
  }
}
