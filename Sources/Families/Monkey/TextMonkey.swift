// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// TextMonkey (arXiv:2403.04473): tokens of Monkey's tiles attend to each other in shifted windows inside the tower, and the
/// most distinctive ones are kept; the view of the whole image stands after them.
package final class TextMonkey: DescribedSystem {
  let vision: VisionTransformer
  let layout: TileLayout
  let hook: TileHook
  let resampler: QueryResampler
  let tokenResampler: TokenResampler?
  let marks: ImageMarks
  let statistics: Normalisation
  /// False: the view of the whole image is left out.
  let seesWhole: Bool

  package init(_ w: Weights, _ s: TextMonkeySettings) throws(WeightFileError) {
    let (c, size) = (VisionTransformerConfiguration(s.monkey.vision), s.decoder.hiddenSize)
    let layout = TileLayout(s.monkey)
    self.layout = layout
    vision = try VisionTransformer(w["vision"], c)
    let windows = s.windows.layers.isEmpty ? nil : try CrossWindows(w["vision.windows"], s.windows, layout, hiddenSize: c.hiddenSize)
    hook = try TileHook(w["vision.layers"], c, layout, windows: windows)
    resampler = try QueryResampler(w["resampler"], s.monkey.resampler, c)
    tokenResampler = s.tokens.kept == nil ? nil : try TokenResampler(w["tokenResampler"], s.tokens, hiddenSize: size)
    marks = try ImageMarks(w, s.monkey.marks, size: size)
    statistics = Normalisation(s.monkey.statistics)
    seesWhole = s.seesWhole
  }

  private var tileTokens: Int {
    let all = layout.tiles * resampler.queries
    return min(all, tokenResampler?.kept ?? all)
  }
  package var maximumTokens: Int { tileTokens + (seesWhole ? resampler.queries : 0) + 2 }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    try TileCutter(layout, statistics).views(of: image)
  }

  package func blocks(views: Int) -> Int { vision.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let blocks = vision.config.layers
    let pixels = try TileCutter(layout, statistics).pixels(views.pictures[0], ctx)
    let count = layout.tiles + (seesWhole ? 1 : 0)
    let features = try vision(pixels, views: count, hook: hook, progress: { progress?($0, blocks) }, ctx)
    let seen = try resampler(features, views: count, ctx)
    let inTiles = seen.slice(rows: 0..<layout.tiles * resampler.queries)
    let kept = try tokenResampler?(inTiles, ctx) ?? inTiles
    let tokens = try ctx.arena.tensor(kept.rows + seen.rows - inTiles.rows, seen.columns)
    copy(kept, to: tokens.slice(rows: 0..<kept.rows), ctx)
    copy(seen.slice(rows: inTiles.rows..<seen.rows), to: tokens.slice(rows: kept.rows..<tokens.rows), ctx)
    return EncodedImage(tokens: try marks.around(tokens, ctx), views: plans(views.areas, kept: kept.rows))
  }

  /// Kept tokens belong to no particular tile; the plan names the first of them for each.
  private func plans(_ areas: [PixelRectangle], kept: Int) -> [ViewPlan] {
    let (tiles, columns) = (layout.tiles, layout.columns)
    let isApart = tokenResampler == nil
    return areas.prefix(tiles + (seesWhole ? 1 : 0)).enumerated().map { i, area in
      if i == tiles { return ViewPlan(row: -1, column: -1, area: area, firstToken: 1 + kept, tokens: resampler.queries) }
      return ViewPlan(
        row: i / columns, column: i % columns, area: area, firstToken: isApart ? 1 + i * resampler.queries : 1,
        tokens: isApart ? resampler.queries : 0)
    }
  }
}
