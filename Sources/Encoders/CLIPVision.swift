// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema

extension VisionTransformerConfiguration {
  /// CLIP's tower (arXiv:2103.00020 §2.4) up to the feature layer a system selects: a class token, a norm before the blocks, none after them.
  package init(_ s: CLIPSettings) {
    self.init(
      hiddenSize: s.hiddenSize, intermediateSize: s.intermediateSize, heads: s.heads, layers: s.layers, imageSize: s.imageSize,
      patchSize: s.patchSize, positionSide: s.grid, normEpsilon: Float(s.normEpsilon), activation: Activation(s.activation),
      classToken: s.dropClass ? .dropped : .kept, normsInput: true, normsOutput: false, hasLayerScale: false)
    stem = s.stem
  }
}
