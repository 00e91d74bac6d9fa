// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import WeightFile

/// The cross-window modules of a tower, each before its block, and the merged map that they work on.
struct CrossWindows {
  private let modules: [(layer: Int, module: CrossWindowAttention)]
  private let layout: TileLayout

  /// - Parameter w: scope with the modules by number, in the order of `windows.layers`.
  init(_ w: Weights, _ windows: CrossWindowSettings, _ layout: TileLayout, hiddenSize: Int) throws(WeightFileError) {
    self.layout = layout
    var modules: [(layer: Int, module: CrossWindowAttention)] = []
    for (i, layer) in windows.layers.enumerated() {
      modules.append(
        (layer, try CrossWindowAttention(w[i], windows, hiddenSize: hiddenSize, grid: layout.columns * layout.grid)))
    }
    self.modules = modules
  }

  func stand(before layer: Int) -> Bool { modules.contains { $0.layer == layer } }

  /// - Parameter x: `[views · patches, hiddenSize]`, the tiles first, other views after; the tiles are modified if a module precedes
  ///   block `layer`.
  func callAsFunction(_ x: Tensor, before layer: Int, _ ctx: Context) throws(RuntimeError) {
    let layout = layout
    let tiles = x.slice(rows: 0..<layout.tiles * layout.patches)
    for (place, module) in modules where place == layer {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let map = try ctx.arena.tensor(tiles.rows, x.columns)
      copyRows(tiles, to: map, ctx) { layout.sequence(ofMerged: $0) }
      try module(map, ctx)
      copyRows(map, to: tiles, ctx) { layout.merged(ofSequence: $0) }
    }
  }
}
