// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// What distinguishes one pre-norm vision transformer (arXiv:2010.11929) from another. Biases are not listed: a product has one where
/// the file holds one.
package struct VisionTransformerConfiguration {
  /// A learned vector in front of each view's patches.
  package enum ClassToken {
    /// None; the table of positions has no row for it.
    case none
    /// It takes part in the blocks and is left out of the features.
    case dropped
    /// It is row 0 of each view's features.
    case kept
  }

  package var hiddenSize, intermediateSize, heads: Int
  /// Blocks stored in the file: those that lead to the selected features, no more.
  package var layers: Int
  /// Side of the square input in pixels, and of one patch.
  package var imageSize, patchSize: Int
  /// Side of the stored table of positions in patches; resized bicubically where it is not `grid`.
  package var positionSide: Int
  package var normEpsilon: Float
  package var activation: Activation
  package var classToken: ClassToken
  /// A norm between the positions and the first block.
  package var normsInput: Bool
  /// A norm behind the last block.
  package var normsOutput: Bool
  /// Both branches of a block are multiplied channel by channel (arXiv:2103.17239 §2.2).
  package var hasLayerScale: Bool

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

  /// Bytes of scratch memory for encoding `views` pictures together, about: pixels, the residual stream, and one block's
  /// intermediate results.
  package func scratchBytes(views: Int) -> Int {
    let floats = 3 * imageSize * imageSize + tokens * (9 * hiddenSize + 2 * intermediateSize)
    return views * floats * MemoryLayout<Float>.stride
  }
}

extension VisionTransformerConfiguration {
  /// Reads what all towers have from the metadata under `scope`. The rest is that of a tower without class token, norms and LayerScale,
  /// its positions as many as its patches.
  /// - Parameter side: the key's last part for the side of the input.
  package init(_ m: Metadata, scope: String, side: String = "imageSize") throws(WeightFileError) {
    hiddenSize = try m.requireInt("\(scope).hiddenSize", in: 1...16384)
    intermediateSize = try m.requireInt("\(scope).intermediateSize", in: 1...65536)
    layers = try m.requireInt("\(scope).layers", in: 1...256)
    heads = try m.requireDivisor("\(scope).heads", of: hiddenSize, in: 1...1024)
    imageSize = try m.requireInt("\(scope).\(side)", in: 1...4096)
    patchSize = try m.requireDivisor("\(scope).patchSize", of: imageSize, in: 1...256)
    positionSide = imageSize / patchSize
    normEpsilon = Float(try m.requireDouble("\(scope).normEpsilon"))
    activation = .gelu
    classToken = .none
    (normsInput, normsOutput, hasLayerScale) = (false, false, false)
    guard hiddenSize / heads <= 256 else {
      throw m.mismatch("\(scope).heads", found: "\(heads)", expected: "head size of at most 256")
    }
  }
}

extension Metadata {
  /// The activation that `key` names, spelled as in Hugging Face configurations.
  package func activation(_ key: String) throws(WeightFileError) -> Activation {
    let name = try requireString(key)
    if name.utf8.elementsEqual("quick_gelu".utf8) { return .quickGELU }
    if name.utf8.elementsEqual("gelu".utf8) { return .gelu }
    if name.utf8.elementsEqual("gelu_pytorch_tanh".utf8) { return .geluTanh }
    if name.utf8.elementsEqual("relu".utf8) { return .relu }
    throw mismatch(key, found: name, expected: "quick_gelu, gelu, gelu_pytorch_tanh or relu")
  }
}
