// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// Sizes of a DINOv2 vision transformer, read from the `local.*` metadata of a weight file.
package struct DINOv2Config {
  package let hiddenSize, intermediateSize, heads: Int
  /// Blocks stored in the file: those that lead to the features a system takes.
  package let layers: Int
  /// Side of the square input in pixels, and of one patch.
  package let tileSide, patchSize: Int
  /// Side of the stored table of positions, in patches.
  package let positionSide: Int
  package let normEpsilon: Float
  /// True: features are normed behind the last block.
  package let normsOutput: Bool

  /// Patches per side of the input.
  package var grid: Int { tileSide / patchSize }
  package var patches: Int { grid * grid }
  package var headSize: Int { hiddenSize / heads }

  /// Bytes of scratch memory for encoding `tiles` pictures together, about.
  package func scratchBytes(tiles: Int) -> Int {
    let floats = 3 * tileSide * tileSide + (1 + patches) * (9 * hiddenSize + 2 * intermediateSize)
    return tiles * floats * MemoryLayout<Float>.stride
  }

  package init(_ m: Metadata) throws(WeightFileError) {
    hiddenSize = try m.requireInt("local.hiddenSize", in: 1...16384)
    intermediateSize = try m.requireInt("local.intermediateSize", in: 1...65536)
    layers = try m.requireInt("local.layers", in: 1...256)
    heads = try m.requireDivisor("local.heads", of: hiddenSize, in: 1...1024)
    tileSide = try m.requireInt("local.tileSide", in: 1...4096)
    patchSize = try m.requireDivisor("local.patchSize", of: tileSide, in: 1...256)
    positionSide = try m.requireInt("local.positionSide", in: 1...1024)
    normEpsilon = Float(try m.requireDouble("local.normEpsilon"))
    normsOutput = m.bool("local.normsOutput") ?? true
    guard hiddenSize / heads <= 256 else {
      throw m.mismatch("local.heads", found: "\(heads)", expected: "head size of at most 256")
    }
  }
}
