// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

extension DecoderSettings {
  /// - Parameters:
  ///   - w: the scope `language`.
  ///   - cacheType: default number format of keys and values.
  package func decoder(_ w: Weights, cacheType: CacheType) throws(WeightFileError) -> Decoder {
    switch kind {
    case .llama: try LlamaModel(w, llama, cacheType: cacheType)
    case .mixture: try LlamaModel(w, llama, mixture: mixture, cacheType: cacheType)
    case .opt: try OPTModel(w, opt, cacheType: cacheType)
    }
  }
}

extension CacheType {
  /// Half precision unless the file's weights are f32.
  package init(_ general: GeneralSettings) { self = general.isFloat32 ? .float32 : .float16 }
}
