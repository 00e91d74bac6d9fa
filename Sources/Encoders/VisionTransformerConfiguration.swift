// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema

/// What distinguishes one pre-norm vision transformer (arXiv:2010.11929) from another. Biases are not listed: a product has one where
/// the file holds one.
package struct VisionTransformerConfiguration {
  /// A learned vector before each view's patches.
  package enum ClassToken {
    /// None; the table of positions has no row for it.
    case none
    /// It takes part in the blocks and is dropped from the features.
    case dropped
    /// It is row 0 of each view's features.
    case kept
  }

  package var hiddenSize, intermediateSize, heads: Int
  /// Blocks stored in the file: those that lead to the selected features, no more.
  package var layers: Int
  /// Side of the square input in pixels, and of one patch.
  package var imageSize, patchSize: Int
  /// Side of the stored position table in patches, and how it is fitted where it is not `grid`.
  package var positionSide: Int
  package var positions = PositionTable.Resizing.bicubic
  package var normEpsilon: Float
  package var activation: Activation
  package var classToken: ClassToken
  /// A norm between the position embeddings and the first block.
  package var normsInput: Bool
  /// A norm after the last block.
  package var normsOutput: Bool
  /// LayerScale: both branches of a block are multiplied channel by channel (arXiv:2103.17239 §2.2).
  package var hasLayerScale: Bool
  /// Convolutions in place of the patch embedding; none where it lists no widths.
  package var stem = ConvolutionStemSettings()
  /// Features of another network take the place of patch embeddings.
  package var readsFeatures = false

  package init(
    hiddenSize: Int, intermediateSize: Int, heads: Int, layers: Int, imageSize: Int, patchSize: Int, positionSide: Int,
    normEpsilon: Float, activation: Activation, classToken: ClassToken, normsInput: Bool, normsOutput: Bool, hasLayerScale: Bool
  ) {
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.heads = heads
    self.layers = layers
    self.imageSize = imageSize
    self.patchSize = patchSize
    self.positionSide = positionSide
    self.normEpsilon = normEpsilon
    self.activation = activation
    self.classToken = classToken
    self.normsInput = normsInput
    self.normsOutput = normsOutput
    self.hasLayerScale = hasLayerScale
  }

  /// Patches per side of the input.
  package var grid: Int { imageSize / patchSize }
  /// Patches of one view.
  package var patches: Int { grid * grid }
  /// Rows of one view in the blocks.
  package var tokens: Int { patches + classRows }
  package var classRows: Int { classToken == .none ? 0 : 1 }
  package var headSize: Int { hiddenSize / heads }
  /// Feature rows that one view gives.
  package var tokensPerView: Int { classToken == .kept ? patches + 1 : patches }
}

extension Activation {
  init(_ name: ActivationName) {
    switch name {
    case .quickGELU: self = .quickGELU
    case .gelu: self = .gelu
    case .geluTanh: self = .geluTanh
    case .relu: self = .relu
    }
  }
}
