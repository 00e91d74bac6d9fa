// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// Ferret (arXiv:2310.07704), Ferret-UI (arXiv:2404.05719) and Ferret-v2 (arXiv:2404.07973): a stretched view of the whole image through
/// CLIP; the stretched image cut into the tiles of the best fitting grid, each through its own encoder and projector (DINOv2 in
/// Ferret-v2, the same CLIP in Ferret-UI, no tiles in Ferret); and a map that fuses both, from which regions are encoded. Tokens: the
/// whole view, then the tiles merged into one map, row-major, without separators.
package final class Ferret: DescribedSystem {
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
  /// True: regions are encoded from projected features, false: from the encoders'.
  let mapIsProjected: Bool

  package init(_ w: Weights, _ s: FerretSettings) throws(WeightFileError) {
    let size = s.decoder.hiddenSize
    vision = try VisionTransformer(w["vision"], VisionTransformerConfiguration(s.vision))
    projector = try MLPProjector(w["projector"], s.projector, from: s.vision.hiddenSize, to: size)
    statistics = Normalisation(s.statistics)
    mapIsProjected = s.region.isProjected
    // `ofDecoder`: regions are encoded with the prompt, not with the image.
    sampler = try RegionSampler(w["region"].ofDecoder, s.region, featureSize: s.featureSize, outputSize: size)
    switch s.tiles {
    case .none: local = .none
    case .shared: local = .shared
    case .own:
      local = .own(
        try VisionTransformer(w["local"], VisionTransformerConfiguration(s.local)),
        try MLPProjector(w["localProjector"], s.projector, from: s.local.hiddenSize, to: size), Normalisation(s.localStatistics))
    }
    pinpoints = AnyResolution.sizes(s.pinpoints)
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
