// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// Monkey (arXiv:2311.06607): the image stretched over a canvas of rows × columns tiles, each through Qwen-VL's tower with adapters
/// of its own; then the whole image, reduced to one tile, without adapters. Each view becomes the resampler's queries; a start and
/// an end vector stand around them.
package final class Monkey: DescribedSystem {
  let vision: VisionTransformer
  let layout: TileLayout
  let hook: TileHook
  let resampler: QueryResampler
  let marks: ImageMarks
  let statistics: Normalisation

  package init(_ w: Weights, _ s: MonkeySettings) throws(WeightFileError) {
    let c = VisionTransformerConfiguration(s.vision)
    vision = try VisionTransformer(w["vision"], c)
    layout = TileLayout(s)
    hook = try TileHook(w["vision.layers"], c, layout)
    resampler = try QueryResampler(w["resampler"], s.resampler, c)
    marks = try ImageMarks(w, s.marks, size: s.decoder.hiddenSize)
    statistics = Normalisation(s.statistics)
  }

  package var maximumTokens: Int { (layout.tiles + 1) * resampler.queries + 2 }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    try TileCutter(layout, statistics).views(of: image)
  }

  package func blocks(views: Int) -> Int { vision.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let count = layout.tiles + 1
    let blocks = vision.config.layers
    let pixels = try TileCutter(layout, statistics).pixels(views.pictures[0], ctx)
    let features = try vision(pixels, views: count, hook: hook, progress: { progress?($0, blocks) }, ctx)
    let seen = try resampler(features, views: count, ctx)
    let counts = Array(repeating: resampler.queries, count: count)
    return try EncodedImage(
      tokens: marks.around(seen, ctx), views: tilePlans(views.areas, columns: layout.columns, tokens: counts, first: 1))
  }
}
