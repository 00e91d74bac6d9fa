// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// Vary (arXiv:2312.06109; Vary-toy, arXiv:2401.12503): the vocabulary network, alone (Vary-tiny) or beside CLIP, whose channels are
/// concatenated in front of its own, token by token. A start and an end vector stand around them.
package final class Vary: DescribedSystem {
  let vocabulary: VocabularyTower
  let projector: Linear
  let clip: SecondTower?
  let marks: ImageMarks

  /// CLIP, in parallel with the vocabulary network.
  struct SecondTower {
    let model: VisionTransformer
    let projector: Linear
    let statistics: Normalisation
    let fit: SquareFit
  }

  package init(_ w: Weights, _ s: VarySettings) throws(WeightFileError) {
    vocabulary = try VocabularyTower(w, s.vocabulary)
    let size = s.decoder.hiddenSize
    marks = try ImageMarks(w, s.marks, size: size)
    projector = try Linear(w["projector.vocabulary"], from: s.vocabulary.outputSize, to: s.hasCLIP ? size / 2 : size)
    guard s.hasCLIP else {
      clip = nil
      return
    }
    clip = SecondTower(
      model: try VisionTransformer(w["vision"], VisionTransformerConfiguration(s.vision)),
      projector: try Linear(w["projector.vision"], from: s.vision.hiddenSize, to: size / 2), statistics: Normalisation(s.statistics),
      fit: SquareFit(s.fit))
  }

  package var maximumTokens: Int { vocabulary.model.config.tokens + 2 }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    var plan = ViewsPlan(image)
    plan.add(try vocabulary.picture(image), area: PixelRectangle(image))
    if let clip {
      let (small, seen) = try clip.fit(image, side: clip.model.config.imageSize)
      plan.add(small, area: seen)
    }
    return plan
  }

  package func blocks(views: Int) -> Int { vocabulary.model.config.layers + (clip?.model.config.layers ?? 0) }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let (first, second) = (vocabulary.model.config.layers, clip?.model.config.layers ?? 0)
    let features = try vocabulary([views.pictures[0]], progress: { progress?($0, first + second) }, ctx)
    var tokens = try projector(features, ctx)
    if let clip {
      let pixels = try clip.statistics.pixels([views.pictures[1]], side: clip.model.config.imageSize, ctx)
      let seen = try clip.model(pixels, views: 1, progress: { progress?(first + $0, first + second) }, ctx)
      tokens = try beside(clip.projector(seen, ctx), tokens, ctx)
    }
    let plan = ViewPlan(row: -1, column: -1, area: views.areas[0], firstToken: 1, tokens: tokens.rows)
    return EncodedImage(tokens: try marks.around(tokens, ctx), views: [plan])
  }

  /// Concatenates channels: `[tokens, a.columns + b.columns]`.
  private func beside(_ a: Tensor, _ b: Tensor, _ ctx: Context) throws(RuntimeError) -> Tensor {
    let y = try ctx.arena.tensor(a.rows, a.columns + b.columns)
    copyColumns(a, to: y, column: 0, ctx)
    copyColumns(b, to: y, column: a.columns, ctx)
    return y
  }
}
