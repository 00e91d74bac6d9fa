// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import Schema
import WeightFile

/// The SliceRestore adapters of a tower by block.
struct SliceRestoreLayers {
  private let adapters: [SliceRestore?]

  /// - Parameters:
  ///   - w: scope of the tower's blocks; each holds its adapter as `restore`.
  ///   - blocks: how many the tower has; adapters of later ones are left out.
  init(_ w: Weights, _ c: SliceRestoreSettings, hiddenSize: Int, blocks: Int) throws(WeightFileError) {
    var adapters: [SliceRestore?] = []
    for i in 0..<blocks {
      adapters.append(c.layers.contains(i) ? try SliceRestore(w[i]["restore"], c, hiddenSize: hiddenSize) : nil)
    }
    self.adapters = adapters
  }

  subscript(layer: Int) -> SliceRestore? { adapters.indices.contains(layer) ? adapters[layer] : nil }

  /// - Parameter grids: the groups of views that are slices of one image; other views have no adapters.
  func hook(_ grids: [SliceGrid]) -> SliceRestoreHook { SliceRestoreHook(self, grids) }
}

/// Runs SliceRestore in parallel with the attention of its blocks, for the slices among the views of one image.
final class SliceRestoreHook: BlockHook {
  private let layers: SliceRestoreLayers
  private let grids: [SliceGrid]

  init(_ layers: SliceRestoreLayers, _ grids: [SliceGrid]) {
    self.layers = layers
    self.grids = grids
  }

  func reading(in layer: Int) -> AttentionReading? { grids.isEmpty ? nil : layers[layer]?.input }

  func afterAttention(_ read: Tensor, addingTo x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) {
    guard let restore = layers[layer] else { return }
    for grid in grids { try restore(read, addingTo: x, grid, ctx) }
  }
}
