// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema

extension VisionTransformerConfiguration {
  /// SigLIP's and SigLIP 2's tower (arXiv:2303.15343, arXiv:2502.14786) as Idefics takes it (arXiv:2405.02246 §3.2): no class token,
  /// positions looked up by the place in the picture, a norm after the last block.
  package init(_ s: SigLIPSettings) {
    self.init(
      hiddenSize: s.hiddenSize, intermediateSize: s.intermediateSize, heads: s.heads, layers: s.layers, imageSize: s.imageSize,
      patchSize: s.patchSize, positionSide: s.positionSide, normEpsilon: Float(s.normEpsilon), activation: Activation(s.activation),
      classToken: .none, normsInput: false, normsOutput: true, hasLayerScale: false)
    positions = .nearest
  }
}
