// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// Sizes of Qwen-VL's vision transformer (arXiv:2308.12966 §2.1; OpenCLIP's bigG trunk), read from the `vision.*` metadata.
package struct QwenVisionConfig {
  package let hiddenSize, intermediateSize, layers, heads: Int
  /// Side of one square tile in pixels, and of one patch.
  package let tileSize, patchSize: Int
  /// Side of the stored position table, which is interpolated to `grid`.
  package let positionGrid: Int
  package let normEpsilon: Float
  package let activation: Activation
  /// Tiles that an image is cut into.
  package let rows, columns: Int
  /// Sets of adapters: none, one that all tiles share, or one for each tile (more are left unused). The view of the whole image
  /// has none.
  package let adapterSets: Int

  /// Patches per side of a tile.
  package var grid: Int { tileSize / patchSize }
  package var patches: Int { grid * grid }
  package var headSize: Int { hiddenSize / heads }
  package var tiles: Int { rows * columns }

  package init(_ m: Metadata) throws(WeightFileError) {
    hiddenSize = try m.requireInt("vision.hiddenSize", in: 1...16384)
    intermediateSize = try m.requireInt("vision.intermediateSize", in: 1...65536)
    layers = try m.requireInt("vision.layers", in: 1...256)
    heads = try m.requireDivisor("vision.heads", of: hiddenSize, in: 1...1024)
    tileSize = try m.requireInt("vision.imageSize", in: 1...4096)
    patchSize = try m.requireDivisor("vision.patchSize", of: tileSize, in: 1...256)
    positionGrid = try m.requireInt("vision.positionGrid", in: 1...256)
    normEpsilon = Float(try m.requireDouble("vision.normEpsilon"))
    activation = try m.activation("vision.activation")
    rows = try m.requireInt("monkey.rows", in: 1...16)
    columns = try m.requireInt("monkey.columns", in: 1...16)
    adapterSets = try m.requireInt("monkey.adapterSets", in: 0...256)
    guard hiddenSize / heads <= 256 else {
      throw m.mismatch("vision.heads", found: "\(heads)", expected: "head size of at most 256")
    }
    guard adapterSets <= 1 || adapterSets >= tiles else {
      throw m.mismatch("monkey.adapterSets", found: "\(adapterSets)", expected: "0, 1, or one for each of \(tiles) tiles")
    }
  }

  /// The adapter set of a tile, nil where there is none.
  package func adapterSet(ofTile tile: Int) -> Int? { adapterSets == 0 ? nil : adapterSets == 1 ? 0 : tile }

  /// Bytes of scratch memory for encoding `views` tiles together, about.
  package func scratchBytes(views: Int) -> Int {
    let floats = 3 * tileSize * tileSize + patches * (9 * hiddenSize + 2 * intermediateSize)
    return views * floats * MemoryLayout<Float>.stride
  }
}
