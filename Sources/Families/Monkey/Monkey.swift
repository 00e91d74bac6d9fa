// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import WeightFile

/// Monkey (arXiv:2311.06607): the image stretched over a canvas of rows × columns tiles, each through Qwen-VL's tower with adapters
/// of its own; then the whole image, reduced to one tile, without adapters. Each view becomes the resampler's queries; a start and
/// an end vector stand around them.
package final class Monkey: VisionSystem {
  let vision: QwenVisionModel
  let resampler: QueryResampler
  let marks: ImageMarks
  let statistics: Normalisation

  package init(_ w: Weights, _ m: Metadata, outputSize: Int) throws(WeightFileError) {
    let c = try QwenVisionConfig(m)
    vision = try QwenVisionModel(w["vision"], c)
    resampler = try QueryResampler(w["resampler"], m, c, outputSize: outputSize)
    marks = try ImageMarks(w, m, size: outputSize)
    statistics = try Normalisation(m)
  }

  static func scratchBytes(_ m: Metadata) throws(WeightFileError) -> Int {
    let c = try QwenVisionConfig(m)
    let size = try m.requireInt("language.hiddenSize", in: 1...65536)
    let views = c.tiles + 1
    return 3 * (c.tiles + 1) * c.tileSize * c.tileSize * 4 + views * c.patches * c.hiddenSize * 4
      + max(c.scratchBytes(views: views), QueryResampler.scratchBytes(c, outputSize: size, views: views))
  }

  package var maximumTokens: Int { (vision.config.tiles + 1) * resampler.queries + 2 }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    try TileCutter(vision.config, statistics).views(of: image)
  }

  package func blocks(views: Int) -> Int { vision.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let c = vision.config
    let pixels = try TileCutter(c, statistics).pixels(views.pictures[0], ctx)
    let sets = (0...c.tiles).map { $0 < c.tiles ? c.adapterSet(ofTile: $0) : nil }
    let features = try vision(pixels, sets: sets, progress: { progress?($0, c.layers) }, ctx)
    let seen = try resampler(features, views: c.tiles + 1, ctx)
    let counts = Array(repeating: resampler.queries, count: c.tiles + 1)
    return try EncodedImage(
      tokens: marks.around(seen, ctx), views: tilePlans(views.areas, columns: c.columns, tokens: counts, first: 1))
  }
}

/// The plan of tiles, the whole image last, that follow each other from token `first` on.
func tilePlans(_ areas: [PixelRectangle], columns: Int, tokens: [Int], first: Int) -> [ViewPlan] {
  var next = first
  var plans: [ViewPlan] = []
  for (i, (area, count)) in zip(areas, tokens).enumerated() {
    let isWhole = i == areas.count - 1
    plans.append(
      ViewPlan(row: isWhole ? -1 : i / columns, column: isWhole ? -1 : i % columns, area: area, firstToken: next, tokens: count))
    next += count
  }
  return plans
}
