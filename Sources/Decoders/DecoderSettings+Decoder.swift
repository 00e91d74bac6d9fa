// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

extension DecoderSettings {
  /// - Parameters:
  ///   - w: the scope `language`.
  ///   - cacheType: what keys and values are kept as where nothing else is asked for.
  package func decoder(_ w: Weights, cacheType: CacheType) throws(WeightFileError) -> Decoder {
    switch kind {
    case .llama: try LlamaModel(w, llama, cacheType: cacheType)
    case .opt: try OPTModel(w, opt, cacheType: cacheType)
    }
  }

  package func footprint(cacheType: CacheType) -> DecoderFootprint {
    switch kind {
    case .llama:
      DecoderFootprint(
        contextLength: llama.contextLength, layers: llama.layers, kvHeads: llama.kvHeads, headSize: llama.headSize,
        cacheType: cacheType,
        scratchBytesPerPosition: (8 * llama.hiddenSize + 3 * llama.intermediateSize) * MemoryLayout<Float>.stride,
        logitBytes: 56 * llama.vocabSize)
    case .opt:
      DecoderFootprint(
        contextLength: opt.contextLength, layers: opt.layers, kvHeads: opt.heads, headSize: opt.headSize, cacheType: cacheType,
        scratchBytesPerPosition: (8 * opt.hiddenSize + 2 * opt.intermediateSize) * MemoryLayout<Float>.stride,
        logitBytes: 8 * opt.vocabSize)
    }
  }
}

extension CacheType {
  /// Half precision unless the file's weights are f32.
  package init(_ general: GeneralSettings) { self = general.isFloat32 ? .float32 : .float16 }
}
