// SPDX-License-Identifier: Apache-2.0
import Encoders
import Runtime
import WeightFile

/// Hooks of the tower's blocks: each tile's adapters (arXiv:2311.06607 §3.1) and cross-window attention between tiles
/// (arXiv:2403.04473 §3.1). Views are the tiles in order, then possibly the whole image.
final class TileHook: BlockHook {
  private let layout: TileLayout
  private let adapters: [[TileAdapters]]  // by block, by set
  private let windows: CrossWindows?

  /// - Parameter w: scope of the tower's blocks; each holds its adapters as `adapters.0`, `adapters.1`, ….
  init(_ w: Weights, _ c: VisionTransformerConfiguration, _ layout: TileLayout, windows: CrossWindows? = nil) throws(WeightFileError) {
    self.layout = layout
    self.windows = windows
    var adapters: [[TileAdapters]] = []
    for i in 0..<c.layers {
      var sets: [TileAdapters] = []
      for k in 0..<layout.adapterSets { sets.append(try TileAdapters(w[i]["adapters"][k], hiddenSize: c.hiddenSize)) }
      adapters.append(sets)
    }
    self.adapters = adapters
  }

  func places(in layer: Int) -> BlockPlaces {
    var places: BlockPlaces = []
    if layout.adapterSets > 0 { places.insert(.products) }
    if let windows, windows.stand(before: layer) { places.insert(.before) }
    return places
  }

  func before(_ x: Tensor, layer: Int, _ ctx: Context) throws(RuntimeError) { try windows?(x, before: layer, ctx) }

  func besideQueryKeyValue(_ n: Tensor, addingTo qkv: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError) {
    try adapt(n, qkv, views, layer, ctx) { $0.qkv }
  }

  func besideOutput(_ context: Tensor, addingTo attended: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError) {
    try adapt(context, attended, views, layer, ctx) { $0.output }
  }

  func besideMLP(_ x: Tensor, addingTo y: Tensor, views: Range<Int>, layer: Int, _ ctx: Context) throws(RuntimeError) {
    try adapt(x, y, views, layer, ctx) { $0.mlp }
  }

  private func adapt(
    _ x: Tensor, _ y: Tensor, _ views: Range<Int>, _ layer: Int, _ ctx: Context, _ adapter: (TileAdapters) -> LowRankAdapter
  ) throws(RuntimeError) {
    let patches = layout.patches
    for (i, tile) in views.enumerated() {
      guard let set = layout.adapterSet(ofView: tile) else { continue }
      let rows = i * patches..<(i + 1) * patches
      try adapter(adapters[layer][set])(x.slice(rows: rows), addingTo: y.slice(rows: rows), ctx)
    }
  }
}
