// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// Sizes of a CLIP vision transformer, read from the `vision.*` metadata of a weight file.
package struct CLIPVisionConfig {
  package let hiddenSize, intermediateSize, heads: Int
  /// Blocks stored in the file: those that lead to the selected feature layer, no more.
  package let layers: Int
  /// Side of the square input in pixels, and of one patch.
  package let imageSize, patchSize: Int
  package let normEpsilon: Float
  package let activation: Activation
  /// True: the class token is left out of the features (`mm_vision_select_feature: "patch"`).
  package let dropsClass: Bool

  /// Patches per side of the input.
  package var grid: Int { imageSize / patchSize }
  /// Patches of one image.
  package var patches: Int { grid * grid }
  package var headSize: Int { hiddenSize / heads }
  /// Feature rows that one view gives.
  package var tokensPerView: Int { dropsClass ? patches : patches + 1 }

  /// Bytes of scratch memory for encoding `views` pictures together, about: pixels, the residual stream, and one block's
  /// intermediate results.
  package func scratchBytes(views: Int) -> Int {
    let floats = 3 * imageSize * imageSize + (1 + patches) * (9 * hiddenSize + 2 * intermediateSize)
    return views * floats * MemoryLayout<Float>.stride
  }

  package init(_ m: Metadata) throws(WeightFileError) {
    hiddenSize = try m.requireInt("vision.hiddenSize", in: 1...16384)
    intermediateSize = try m.requireInt("vision.intermediateSize", in: 1...65536)
    layers = try m.requireInt("vision.layers", in: 1...256)
    heads = try m.requireDivisor("vision.heads", of: hiddenSize, in: 1...1024)
    imageSize = try m.requireInt("vision.imageSize", in: 1...4096)
    patchSize = try m.requireDivisor("vision.patchSize", of: imageSize, in: 1...256)
    normEpsilon = Float(try m.requireDouble("vision.normEpsilon"))
    activation = try m.activation("vision.activation")
    dropsClass = m.bool("vision.dropClass") ?? true
    guard hiddenSize / heads <= 256 else {
      throw m.mismatch("vision.heads", found: "\(heads)", expected: "head size of at most 256")
    }
  }
}

extension Metadata {
  /// The activation that `key` names, spelled as in Hugging Face configurations.
  func activation(_ key: String) throws(WeightFileError) -> Activation {
    let name = try requireString(key)
    if name.utf8.elementsEqual("quick_gelu".utf8) { return .quickGELU }
    if name.utf8.elementsEqual("gelu".utf8) { return .gelu }
    if name.utf8.elementsEqual("gelu_pytorch_tanh".utf8) { return .geluTanh }
    if name.utf8.elementsEqual("relu".utf8) { return .relu }
    throw mismatch(key, found: name, expected: "quick_gelu, gelu, gelu_pytorch_tanh or relu")
  }
}
