// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// A toy: one square view through CLIP, then one projection.
package final class Toy: DescribedSystem {
  let vision: VisionTransformer
  let projector: Linear
  let statistics: Normalisation

  package init(_ w: Weights, _ s: ToySettings) throws(WeightFileError) {
    vision = try VisionTransformer(w["vision"], VisionTransformerConfiguration(s.vision))
    projector = try Linear(w["projector"], from: s.vision.hiddenSize, to: s.decoder.hiddenSize)
    statistics = Normalisation(s.statistics)
  }

  package var maximumTokens: Int { vision.config.tokensPerView }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    let (picture, area) = try SquareFit(SquareFitSettings(.stretch))(image, side: vision.config.imageSize)
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
    let tokens = try projector(try vision(pixels, views: 1, progress: { progress?($0, blocks) }, ctx), ctx)
    let plan = ViewPlan(row: -1, column: -1, area: views.areas[0], firstToken: 0, tokens: tokens.rows)
    return EncodedImage(tokens: tokens, views: [plan])
  }
}

package struct ToySettings: VisionSettings {
  package var decoder = DecoderSizes()
  package var vision = CLIPSettings()
  package var statistics = NormalisationSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vision)
    try f.part(&statistics)
  }
}
