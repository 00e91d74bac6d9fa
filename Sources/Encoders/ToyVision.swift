// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema

extension VisionTransformerConfiguration {
  /// No class token, no norm before the blocks, one behind them, tanh-GELU.
  package init(_ s: ToyVisionSettings) {
    self.init(
      hiddenSize: s.hiddenSize, intermediateSize: s.intermediateSize, heads: s.heads, layers: s.layers, imageSize: s.imageSize,
      patchSize: s.patchSize, positionSide: s.imageSize / s.patchSize, normEpsilon: Float(s.normEpsilon), activation: .geluTanh,
      classToken: .none, normsInput: false, normsOutput: true, hasLayerScale: false)
  }
}
