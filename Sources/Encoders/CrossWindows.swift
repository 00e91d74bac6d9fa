// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

/// The cross-window modules of a tower, each before its block, and the map of all tiles that they work on.
package struct CrossWindows {
  private let modules: [(layer: Int, module: CrossWindowAttention)]
  private let config: QwenVisionConfig

  /// - Parameter w: scope with the modules by number, in the order of `windows.layers`.
  package init(_ w: Weights, _ windows: CrossWindowConfig, _ c: QwenVisionConfig) throws(WeightFileError) {
    config = c
    var modules: [(layer: Int, module: CrossWindowAttention)] = []
    for (i, layer) in windows.layers.enumerated() {
      modules.append(
        (layer, try CrossWindowAttention(w[i], windows, hiddenSize: c.hiddenSize, grid: c.columns * c.grid)))
    }
    self.modules = modules
  }

  /// - Parameter x: `[views · patches, hiddenSize]`, the tiles first, other views behind; the tiles are changed where a module stands
  ///   before block `layer`.
  package func callAsFunction(_ x: Tensor, before layer: Int, _ ctx: Context) throws(RuntimeError) {
    for (place, module) in modules where place == layer {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let map = try ctx.arena.tensor(config.tiles * config.patches, x.columns)
      forEachPatch(ctx) { merged, sequence in map[merged].update(from: x[sequence], count: x.columns) }
      try module(map, ctx)
      forEachPatch(ctx) { merged, sequence in x[sequence].update(from: map[merged], count: x.columns) }
    }
  }

  private func forEachPatch(_ ctx: Context, _ body: (_ merged: Int, _ sequence: Int) -> Void) {
    let (side, columns) = (config.grid, config.columns)
    ctx.pool.run(config.rows * side) { y in
      for x in 0..<columns * side {
        body(y * columns * side + x, (y / side * columns + x / side) * config.patches + y % side * side + x % side)
      }
    }
  }
}
