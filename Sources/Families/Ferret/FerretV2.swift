// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import WeightFile

/// Ferret-v2 (arXiv:2404.07973) and its line: a stretched view of the whole image through CLIP; the stretched image cut into the tiles of
/// the best fitting grid, each through its own encoder and projector (DINOv2 in Ferret-v2, the same CLIP in Ferret-UI, no tiles in
/// Ferret); and a map that fuses both, from which regions are read. Tokens: the whole view, then the tiles as one big map, row by row,
/// nothing between.
package final class FerretV2: VisionSystem {
  /// What encodes the tiles.
  enum Local {
    case none
    /// The whole view's encoder and projector.
    case shared
    case own(DINOv2Model, MLPProjector, Normalisation)
  }

  let vision: CLIPVisionModel
  let projector: MLPProjector
  let local: Local
  let sampler: RegionSampler
  let statistics: Normalisation
  /// Sizes that the image is stretched to before it is cut, in the checkpoint's order; empty without tiles.
  let pinpoints: [AnyResolution.Size]
  /// True: regions are read from projected features, false: from the encoders'.
  let mapIsProjected: Bool

  package init(_ w: Weights, _ m: Metadata, _ kind: SystemKind, outputSize: Int) throws(WeightFileError) {
    let c = try CLIPVisionConfig(m)
    guard c.dropsClass else {
      throw m.mismatch("vision.dropClass", found: "false", expected: "true: regions need a square map of patches")
    }
    vision = try CLIPVisionModel(w["vision"], c)
    projector = try MLPProjector(w["projector"], m, from: c.hiddenSize, to: outputSize)
    statistics = try Normalisation(m)
    mapIsProjected = m.bool("region.projected") ?? false
    sampler = try RegionSampler(
      w["region"], m, featureSize: mapIsProjected ? outputSize : c.hiddenSize, outputSize: outputSize)
    switch kind {
    case .ferretV2:
      let d = try DINOv2Config(m)
      guard mapIsProjected || d.hiddenSize == c.hiddenSize else {
        throw m.mismatch("local.hiddenSize", found: "\(d.hiddenSize)", expected: "\(c.hiddenSize), as the whole view's: their features are added")
      }
      local = .own(
        try DINOv2Model(w["local"], d), try MLPProjector(w["localProjector"], m, from: d.hiddenSize, to: outputSize),
        try Normalisation(m, scope: "local"))
    case .ferretUI: local = .shared
    default: local = .none
    }
    pinpoints = kind == .ferret ? [] : try AnyResolution.pinpoints(m, side: Self.tileSide(m, kind))
  }

  private static func tileSide(_ m: Metadata, _ kind: SystemKind) throws(WeightFileError) -> Int {
    kind == .ferretV2 ? try DINOv2Config(m).tileSide : try CLIPVisionConfig(m).imageSize
  }

  static func scratchBytes(_ m: Metadata, _ kind: SystemKind) throws(WeightFileError) -> Int {
    let c = try CLIPVisionConfig(m)
    guard kind != .ferret else { return c.scratchBytes(views: 1) }
    let side = try tileSide(m, kind)
    let tiles = try AnyResolution.pinpoints(m, side: side).map { ($0.width / side) * ($0.height / side) }.max() ?? 0
    guard kind == .ferretV2 else { return c.scratchBytes(views: 1 + tiles) }
    return max(c.scratchBytes(views: 1), try DINOv2Config(m).scratchBytes(tiles: tiles))
  }

  package var regionSampler: RegionSampler? { sampler }

  /// Side of a tile in pixels, and in patches.
  private var tile: (side: Int, grid: Int) {
    if case .own(let dino, _, _) = local { return (dino.config.tileSide, dino.config.grid) }
    return (vision.config.imageSize, vision.config.grid)
  }

  package var maximumTokens: Int {
    let (side, grid) = tile
    return vision.config.patches + pinpoints.reduce(0) { max($0, ($1.width / side) * ($1.height / side) * grid * grid) }
  }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    let whole = vision.config.imageSize
    var plan = ViewsPlan(image)
    plan.add(try .stretched(image, width: whole, height: whole), area: PixelRectangle(image))
    guard !pinpoints.isEmpty else { return plan }
    let side = tile.side
    let best = try AnyResolution.select(width: image.width, height: image.height, pinpoints: pinpoints)
    plan.add(
      tilesOf: try .stretched(image, width: best.width, height: best.height), rows: best.height / side,
      columns: best.width / side, side: side, area: PixelRectangle(image))
    return plan
  }

  package func blocks(views: Int) -> Int {
    guard case .own(let dino, _, _) = local else { return vision.config.layers }
    return vision.config.layers + dino.config.layers
  }

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
      let tilePixels = try localStatistics.pixels(Array(views.pictures.dropFirst()), side: dino.config.tileSide, ctx)
      let tiles = try dino(
        tilePixels, tiles: views.pictures.count - 1, progress: { progress?(c.layers + $0, blocks) }, ctx)
      features = Features(
        whole: whole, projectedWhole: try projector(whole, ctx), tiles: tiles, projectedTiles: try localProjector(tiles, ctx))
    }
    return try assemble(features, views, ctx)
  }

  /// Features of the whole view and of the tiles, one tile after another, as the encoders and as the projectors give them.
  private struct Features {
    let whole, projectedWhole, tiles, projectedTiles: Tensor
  }

  private func assemble(_ f: Features, _ views: ImageViews, _ ctx: Context) throws(RuntimeError) -> EncodedImage {
    let c = vision.config
    let grid = tile.grid
    let (height, width) = (views.rows * grid, views.columns * grid)
    let tokens = try ctx.arena.tensor(c.patches + height * width, f.projectedWhole.columns)
    tokens.data.update(from: f.projectedWhole.data, count: c.patches * tokens.columns)
    stitch(f.projectedTiles, views, into: tokens.slice(rows: c.patches..<tokens.rows))
    var plans = [ViewPlan(row: -1, column: -1, area: views.areas[0], firstToken: 0, tokens: c.patches)]
    for i in 1..<max(views.pictures.count, 1) {
      // A tile's tokens are not contiguous in the big map: the plan names the map's first token for each.
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
    stitch(tiles, views, into: fused)
    add(
      try Interpolation.nearest(whole, height: c.grid, width: c.grid, toHeight: height, toWidth: width, ctx), to: fused, ctx)
    return EncodedImage(tokens: tokens, views: plans, map: FeatureMap(fused, height: height, width: width))
  }

  /// The tiles' patches as one big map, row by row.
  private func stitch(_ tiles: Tensor, _ views: ImageViews, into map: Tensor) {
    let grid = tile.grid
    for y in 0..<views.rows * grid {
      for column in 0..<views.columns {
        let source = ((y / grid) * views.columns + column) * grid * grid + (y % grid) * grid
        map[(y * views.columns + column) * grid].update(from: tiles[source], count: grid * tiles.columns)
      }
    }
  }
}
