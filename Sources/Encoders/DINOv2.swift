// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema

extension VisionTransformerConfiguration {
  /// DINOv2 without registers (arXiv:2304.07193): LayerScale, exact GELU, positions resized to the input, for square tiles of any side
  /// that its patches divide.
  package init(_ s: DINOv2Settings) {
    self.init(
      hiddenSize: s.hiddenSize, intermediateSize: s.intermediateSize, heads: s.heads, layers: s.layers, imageSize: s.tileSide,
      patchSize: s.patchSize, positionSide: s.positionSide, normEpsilon: Float(s.normEpsilon), activation: .gelu, classToken: .dropped,
      normsInput: false, normsOutput: s.normsOutput, hasLayerScale: true)
  }
}
