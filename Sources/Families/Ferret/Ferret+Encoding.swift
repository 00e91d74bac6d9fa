// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime

extension Ferret {
  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let c = vision.config
    let features: Features
    switch local {
    case .none, .shared:
      let pixels = try statistics.pixels(views.pictures, side: c.imageSize, ctx)
      let all = try vision(pixels, views: views.pictures.count, progress: { progress?($0, c.layers) }, ctx)
      let projected = try projector(all, ctx)
      features = Features(
        whole: all.slice(rows: 0..<c.patches), projectedWhole: projected.slice(rows: 0..<c.patches),
        tiles: all.slice(rows: c.patches..<all.rows), projectedTiles: projected.slice(rows: c.patches..<all.rows))
    case .own(let dino, let localProjector, let localStatistics):
      let blocks = c.layers + dino.config.layers
      let pixels = try statistics.pixels(Array(views.pictures.prefix(1)), side: c.imageSize, ctx)
      let whole = try vision(pixels, views: 1, progress: { progress?($0, blocks) }, ctx)
      let tilePixels = try localStatistics.pixels(Array(views.pictures.dropFirst()), side: dino.config.imageSize, ctx)
      let tiles = try dino(
        tilePixels, views: views.pictures.count - 1, progress: { progress?(c.layers + $0, blocks) }, ctx)
      features = Features(
        whole: whole, projectedWhole: try projector(whole, ctx), tiles: tiles, projectedTiles: try localProjector(tiles, ctx))
    }
    return try assemble(features, views, ctx)
  }

  /// Encoder and projector outputs of the whole view and of the tiles, tile by tile.
  private struct Features {
    let whole, projectedWhole, tiles, projectedTiles: Tensor
  }

  private func assemble(_ f: Features, _ views: ImageViews, _ ctx: Context) throws(RuntimeError) -> EncodedImage {
    let c = vision.config
    let grid = tile.grid
    let (height, width) = (views.rows * grid, views.columns * grid)
    let tokens = try ctx.arena.tensor(c.patches + height * width, f.projectedWhole.columns)
    copy(f.projectedWhole.slice(rows: 0..<c.patches), to: tokens.slice(rows: 0..<c.patches), ctx)
    stitch(f.projectedTiles, views, into: tokens.slice(rows: c.patches..<tokens.rows), ctx)
    var plans = [ViewPlan(row: -1, column: -1, area: views.areas[0], firstToken: 0, tokens: c.patches)]
    for i in 1..<max(views.pictures.count, 1) {
      // A tile's tokens are not contiguous in the merged map: the plan names the map's first token for each.
      plans.append(
        ViewPlan(
          row: (i - 1) / views.columns, column: (i - 1) % views.columns, area: views.areas[i], firstToken: c.patches, tokens: 0))
    }

    let (whole, tiles) = mapIsProjected ? (f.projectedWhole, f.projectedTiles) : (f.whole, f.tiles)
    guard height > 0 else {
      return EncodedImage(tokens: tokens, views: plans, map: FeatureMap(whole, height: c.grid, width: c.grid))
    }
    // H_a = Up(H_g) + H_l′ (§3.2, eq. 4).
    let fused = try ctx.arena.tensor(height * width, whole.columns)
    stitch(tiles, views, into: fused, ctx)
    add(
      try Interpolation.nearest(whole, height: c.grid, width: c.grid, toHeight: height, toWidth: width, ctx), to: fused, ctx)
    return EncodedImage(tokens: tokens, views: plans, map: FeatureMap(fused, height: height, width: width))
  }

  /// Merges the tiles' patches into one map, row-major.
  private func stitch(_ tiles: Tensor, _ views: ImageViews, into map: Tensor, _ ctx: Context) {
    let (grid, columns) = (tile.grid, views.columns)
    let width = columns * grid
    copyRows(tiles, to: map, ctx) { row in
      let (y, x) = (row / width, row % width)
      return ((y / grid) * columns + x / grid) * grid * grid + y % grid * grid + x % grid
    }
  }
}
