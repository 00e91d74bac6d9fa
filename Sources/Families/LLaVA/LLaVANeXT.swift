// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import WeightFile

/// LLaVA-NeXT (LLaVA-1.6): a stretched view of the whole image, then the tiles of the best fitting grid as one big map
/// without its padding, a learned newline vector after each of its rows ("spatial_unpad").
package final class LLaVANeXT: VisionSystem {
  let vision: CLIPVisionModel
  let projector: MLPProjector
  let newline: UnsafePointer<Float>  // [outputSize]
  let statistics: Normalisation
  /// Candidate sizes in pixels, in the checkpoint's order.
  let pinpoints: [AnyResolution.Size]

  package init(_ w: Weights, _ m: Metadata, outputSize: Int) throws(WeightFileError) {
    let c = try CLIPVisionConfig(m)
    guard c.dropsClass else {
      throw m.mismatch("vision.dropClass", found: "false", expected: "true: tiles need a square map of patches")
    }
    vision = try CLIPVisionModel(w["vision"], c)
    projector = try MLPProjector(w["projector"], m, from: c.hiddenSize, to: outputSize)
    newline = try w.vector("imageNewline", count: outputSize)
    statistics = try Normalisation(m)
    pinpoints = try AnyResolution.pinpoints(m, side: c.imageSize)
  }

  static func scratchBytes(_ m: Metadata) throws(WeightFileError) -> Int {
    let c = try CLIPVisionConfig(m)
    let tiles = try AnyResolution.pinpoints(m, side: c.imageSize).map { ($0.width / c.imageSize) * ($0.height / c.imageSize) }
    return c.scratchBytes(views: 1 + (tiles.max() ?? 0))
  }

  package var maximumTokens: Int {
    let (side, grid) = (vision.config.imageSize, vision.config.grid)
    return grid * grid + pinpoints.reduce(0) { max($0, ($1.height / side * grid) * ($1.width / side * grid + 1)) }
  }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    let (side, grid) = (vision.config.imageSize, vision.config.grid)
    let best = try AnyResolution.select(width: image.width, height: image.height, pinpoints: pinpoints)
    let fit = try AnyResolution.fit(width: image.width, height: image.height, on: best)
    let (rows, columns) = (best.height / side, best.width / side)
    var plan = ViewsPlan(image)
    plan.add(try .stretched(image, width: side, height: side), area: PixelRectangle(image))
    plan.add(
      tilesOf: try .fitted(image, fit, colour: .black), rows: rows, columns: columns, side: side,
      area: PixelRectangle(canvas: fit, of: image))
    (plan.mapRows, plan.mapColumns) = try AnyResolution.unpadded(
      width: image.width, height: image.height, current: .init(width: columns * grid, height: rows * grid))
    return plan
  }

  package func blocks(views: Int) -> Int { vision.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let c = vision.config
    let pixels = try statistics.pixels(views.pictures, side: c.imageSize, ctx)
    let features = try vision(pixels, views: views.pictures.count, progress: { progress?($0, c.layers) }, ctx)
    let projected = try projector(features, ctx)

    // The tiles as one map, without the rows or columns that hold only padding.
    let (rows, columns) = (views.plan.mapRows, views.plan.mapColumns)
    let tokens = try ctx.arena.tensor(c.patches + rows.count * (columns.count + 1), projected.columns)
    tokens[0].update(from: projected.data, count: c.patches * projected.columns)
    var plans = [ViewPlan(row: -1, column: -1, area: views.areas[0], firstToken: 0, tokens: c.patches)]
    var next = c.patches
    for y in rows {
      for x in columns {
        let view = 1 + (y / c.grid) * views.columns + x / c.grid
        let patch = (y % c.grid) * c.grid + x % c.grid
        tokens[next].update(from: projected[view * c.patches + patch], count: projected.columns)
        next += 1
      }
      tokens[next].update(from: newline, count: projected.columns)
      next += 1
    }
    for i in 1..<views.pictures.count {
      // A tile's tokens are not contiguous in the merged map: the plan names the map's first token for each.
      plans.append(
        ViewPlan(
          row: (i - 1) / views.columns, column: (i - 1) % views.columns, area: views.areas[i], firstToken: c.patches,
          tokens: 0))
    }
    return EncodedImage(tokens: tokens, views: plans)
  }
}
