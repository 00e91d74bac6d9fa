// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema

extension VisionTransformerConfiguration {
  /// Qwen-VL's tower (arXiv:2308.12966 §2.1; OpenCLIP's bigG trunk): no class token, positions resized to the tile, a norm before the
  /// blocks, none after them.
  package init(_ s: QwenVisionSettings) {
    self.init(
      hiddenSize: s.hiddenSize, intermediateSize: s.intermediateSize, heads: s.heads, layers: s.layers, imageSize: s.imageSize,
      patchSize: s.patchSize, positionSide: s.positionGrid, normEpsilon: Float(s.normEpsilon), activation: Activation(s.activation),
      classToken: .none, normsInput: true, normsOutput: false, hasLayerScale: false)
  }
}
