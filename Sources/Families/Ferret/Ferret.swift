// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import WeightFile

/// Ferret (arXiv:2310.07704), Ferret-UI (arXiv:2404.05719) and Ferret-v2 (arXiv:2404.07973): a stretched view of the whole image through
/// CLIP; the stretched image cut into the tiles of the best fitting grid, each through its own encoder and projector (DINOv2 in
/// Ferret-v2, the same CLIP in Ferret-UI, no tiles in Ferret); and a map that fuses both, from which regions are read. Tokens: the whole
/// view, then the tiles as one big map, row by row, nothing between.
package final class Ferret: VisionSystem {
  /// What encodes the tiles.
  enum Local {
    case none
    /// The whole view's encoder and projector.
    case shared
    case own(VisionTransformer, MLPProjector, Normalisation)
  }

  let vision: VisionTransformer
  let projector: MLPProjector
  let local: Local
  let sampler: RegionSampler
  let statistics: Normalisation
  /// Sizes that the image is stretched to before it is cut, in the checkpoint's order; empty without tiles.
  let pinpoints: [AnyResolution.Size]
  /// True: regions are read from projected features, false: from the encoders'.
  let mapIsProjected: Bool

  package init(_ w: Weights, _ m: Metadata, _ kind: SystemKind, outputSize: Int) throws(WeightFileError) {
    let c = try VisionTransformerConfiguration.clip(m, scope: "vision")
    guard c.classToken == .dropped else {
      throw m.mismatch("vision.dropClass", found: "false", expected: "true: regions need a square map of patches")
    }
    vision = try VisionTransformer(w["vision"], c)
    projector = try MLPProjector(w["projector"], m, from: c.hiddenSize, to: outputSize)
    statistics = try Normalisation(m)
    mapIsProjected = m.bool("region.projected") ?? false
    sampler = try RegionSampler(
      w["region"], m, featureSize: mapIsProjected ? outputSize : c.hiddenSize, outputSize: outputSize)
    switch kind {
    case .ferretV2:
      let d = try VisionTransformerConfiguration.dinov2(m, scope: "local")
      guard mapIsProjected || d.hiddenSize == c.hiddenSize else {
        throw m.mismatch("local.hiddenSize", found: "\(d.hiddenSize)", expected: "\(c.hiddenSize), as the whole view's: their features are added")
      }
      local = .own(
        try VisionTransformer(w["local"], d), try MLPProjector(w["localProjector"], m, from: d.hiddenSize, to: outputSize),
        try Normalisation(m, scope: "local"))
    case .ferretUI: local = .shared
    default: local = .none
    }
    pinpoints = kind == .ferret ? [] : try AnyResolution.pinpoints(m, side: Self.tileSide(m, kind))
  }

  private static func tileSide(_ m: Metadata, _ kind: SystemKind) throws(WeightFileError) -> Int {
    kind == .ferretV2 ? try VisionTransformerConfiguration.dinov2(m, scope: "local").imageSize : try VisionTransformerConfiguration.clip(m, scope: "vision").imageSize
  }

  static func scratchBytes(_ m: Metadata, _ kind: SystemKind) throws(WeightFileError) -> Int {
    let c = try VisionTransformerConfiguration.clip(m, scope: "vision")
    guard kind != .ferret else { return c.scratchBytes(views: 1) }
    let side = try tileSide(m, kind)
    let tiles = try AnyResolution.pinpoints(m, side: side).map { ($0.width / side) * ($0.height / side) }.max() ?? 0
    guard kind == .ferretV2 else { return c.scratchBytes(views: 1 + tiles) }
    return max(c.scratchBytes(views: 1), try VisionTransformerConfiguration.dinov2(m, scope: "local").scratchBytes(views: tiles))
  }

  package var regionEncoder: (any RegionEncoder)? { sampler }

  /// Side of a tile in pixels, and in patches.
  var tile: (side: Int, grid: Int) {
    if case .own(let dino, _, _) = local { return (dino.config.imageSize, dino.config.grid) }
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
}
