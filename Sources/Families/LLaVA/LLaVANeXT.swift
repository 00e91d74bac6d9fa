// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// LLaVA-NeXT (LLaVA-1.6): a stretched view of the whole image, then the tiles of the best fitting grid, merged into one map
/// without its padding, with a learned newline vector after each of its rows ("spatial_unpad").
package final class LLaVANeXT: DescribedSystem {
  let vision: VisionTransformer
  let projector: MLPProjector
  let newline: TensorView  // [1, outputSize]
  let statistics: Normalisation
  /// Candidate sizes in pixels, in the checkpoint's order.
  let pinpoints: [AnyResolution.Size]

  package init(_ w: Weights, _ s: LLaVANeXTSettings) throws(WeightFileError) {
    vision = try VisionTransformer(w["vision"], VisionTransformerConfiguration(s.vision))
    projector = try MLPProjector(w["projector"], s.projector, from: s.vision.hiddenSize, to: s.decoder.hiddenSize)
    newline = try w.row("imageNewline", count: s.decoder.hiddenSize)
    statistics = Normalisation(s.statistics)
    pinpoints = AnyResolution.sizes(s.pinpoints)
  }

  package var maximumTokens: Int {
    let (side, grid) = (vision.config.imageSize, vision.config.grid)
    return grid * grid + pinpoints.reduce(0) { max($0, ($1.height / side * grid) * ($1.width / side * grid + 1)) }
  }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    let side = vision.config.imageSize
    let best = try AnyResolution.select(width: image.width, height: image.height, pinpoints: pinpoints)
    let fit = try AnyResolution.fit(width: image.width, height: image.height, on: best)
    let (rows, columns) = (best.height / side, best.width / side)
    var plan = ViewsPlan(image)
    plan.add(try .stretched(image, width: side, height: side), area: PixelRectangle(image))
    plan.add(
      tilesOf: try .fitted(image, fit, colour: .black), rows: rows, columns: columns, side: side,
      area: PixelRectangle(canvas: fit, of: image))
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

    // The tiles merged into one map, without the rows or columns that hold only padding.
    let (rows, columns) = try shown(views)
    let tokens = try ctx.arena.tensor(c.patches + rows.count * (columns.count + 1), projected.columns)
    copy(projected.slice(rows: 0..<c.patches), to: tokens.slice(rows: 0..<c.patches), ctx)
    let map = tokens.slice(rows: c.patches..<tokens.rows)
    let line = columns.count + 1
    copyRows(projected, to: map, ctx) { token in
      let (y, x) = (rows.lowerBound + token / line, columns.lowerBound + token % line)
      guard x < columns.upperBound else { return nil }
      let view = 1 + y / c.grid * views.columns + x / c.grid
      return view * c.patches + y % c.grid * c.grid + x % c.grid
    }
    for y in 0..<rows.count { copy(newline, to: map.slice(rows: (y + 1) * line - 1..<(y + 1) * line), ctx) }
    var plans = [ViewPlan(row: -1, column: -1, area: views.areas[0], firstToken: 0, tokens: c.patches)]
    for i in 1..<views.pictures.count {
      // A tile's tokens are not contiguous in the merged map: the plan names the map's first token for each.
      plans.append(
        ViewPlan(
          row: (i - 1) / views.columns, column: (i - 1) % views.columns, area: views.areas[i], firstToken: c.patches,
          tokens: 0))
    }
    return EncodedImage(tokens: tokens, views: plans)
  }

  /// Rows and columns of the merged map that show the image, not only padding.
  private func shown(_ views: ImageViews) throws(RuntimeError) -> (rows: Range<Int>, columns: Range<Int>) {
    let grid = vision.config.grid
    do {
      return try AnyResolution.unpadded(
        width: views.plan.image.width, height: views.plan.image.height, current: .init(width: views.columns * grid, height: views.rows * grid))
    } catch {
      throw .shape(operation: "map of tiles", expected: 1, found: views.rows * views.columns)
    }
  }
}
