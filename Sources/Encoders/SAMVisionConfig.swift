// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Sizes of SAM's image encoder with a neck and two convolutions behind it.
package struct SAMVisionConfig {
  package let hiddenSize, intermediateSize, layers, heads: Int
  /// Side of the square input in pixels, and of one patch.
  package let imageSize, patchSize: Int
  /// Side of the windows that attention stays in, in patches.
  package let windowSize: Int
  /// Blocks whose attention sees the whole image.
  package let globalLayers: [Int]
  /// Channels behind the neck, and behind the first and the second convolution of stride 2.
  package let neckSize, middleSize, outputSize: Int
  package let normEpsilon: Float

  /// Patches per side of the input.
  package var grid: Int { imageSize / patchSize }
  package var headSize: Int { hiddenSize / heads }
  /// Tokens that one image gives: both convolutions halve the sides.
  package var tokens: Int {
    let half = (grid + 1) / 2
    return ((half + 1) / 2) * ((half + 1) / 2)
  }
  /// Windows per side; the last ones reach past the image where the size does not divide.
  var windows: Int { (grid + windowSize - 1) / windowSize }

  /// Bytes of scratch memory for encoding one image, about: pixels, the residual stream, one block's q|k|v, biases and MLP.
  package var scratchBytes: Int {
    let padded = windows * windowSize * windows * windowSize
    let floats = 3 * imageSize * imageSize + padded * 10 * hiddenSize + SAMVisionBlock.chunk * intermediateSize
    return floats * MemoryLayout<Float>.stride + (24 << 20)
  }

  /// Reads the metadata under `scope`.
  package init(_ m: Metadata, scope: String) throws(WeightFileError) {
    hiddenSize = try m.requireInt("\(scope).hiddenSize", in: 1...16384)
    intermediateSize = try m.requireInt("\(scope).intermediateSize", in: 1...65536)
    layers = try m.requireInt("\(scope).layers", in: 1...256)
    heads = try m.requireDivisor("\(scope).heads", of: hiddenSize, in: 1...1024)
    imageSize = try m.requireInt("\(scope).imageSize", in: 1...4096)
    patchSize = try m.requireDivisor("\(scope).patchSize", of: imageSize, in: 1...256)
    windowSize = try m.requireInt("\(scope).windowSize", in: 1...256)
    neckSize = try m.requireInt("\(scope).neckSize", in: 1...16384)
    middleSize = try m.requireInt("\(scope).middleSize", in: 1...16384)
    outputSize = try m.requireInt("\(scope).outputSize", in: 1...16384)
    normEpsilon = Float(try m.requireDouble("\(scope).normEpsilon"))
    globalLayers = try m.requireInts("\(scope).globalLayers")
    guard hiddenSize / heads <= 256 else {
      throw m.mismatch("\(scope).heads", found: "\(heads)", expected: "head size of at most 256")
    }
    guard imageSize / patchSize <= 256 else {
      throw m.mismatch("\(scope).patchSize", found: "\(patchSize)", expected: "at most 256 patches a side")
    }
  }
}
