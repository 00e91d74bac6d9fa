// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// LLaVA-1.5 (arXiv:2310.03744): one square view through CLIP, a projector of one or two layers, no separators.
package final class LLaVA: DescribedSystem {
  let vision: VisionTransformer
  let projector: MLPProjector
  let statistics: Normalisation
  let fit: SquareFit

  package init(_ w: Weights, _ s: LLaVASettings) throws(WeightFileError) {
    vision = try VisionTransformer(w["vision"], VisionTransformerConfiguration(s.vision))
    projector = try MLPProjector(w["projector"], s.projector, from: s.vision.hiddenSize, to: s.decoder.hiddenSize)
    statistics = Normalisation(s.statistics)
    fit = SquareFit(s.fit)
  }

  package var maximumTokens: Int { vision.config.tokensPerView }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    let (picture, area) = try fit(image, side: vision.config.imageSize)
    var plan = ViewsPlan(image)
    plan.add(picture, area: area)
    return plan
  }

  package func blocks(views: Int) -> Int { vision.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let pixels = try statistics.pixels(views.pictures, side: vision.config.imageSize, ctx)
    let blocks = vision.config.layers
    let features = try vision(pixels, views: 1, progress: { progress?($0, blocks) }, ctx)
    let tokens = try projector(features, ctx)
    let plan = ViewPlan(row: -1, column: -1, area: views.areas[0], firstToken: 0, tokens: tokens.rows)
    return EncodedImage(tokens: tokens, views: [plan])
  }
}
