// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// Vary's vocabulary network with its preprocessing, which differs between checkpoints: stretched to the input's size
/// by Pillow's bicubic or OpenCV's bilinear filter.
struct VocabularyTower {
  let model: SAMVisionModel
  let statistics: Normalisation
  let isBilinear: Bool

  init(_ w: Weights, _ s: SAMSettings) throws(WeightFileError) {
    model = try SAMVisionModel(w["vocabulary"], s)
    statistics = Normalisation(s.statistics)
    isBilinear = s.resize == .bilinear
  }

  func picture(_ image: ImageSize) throws(ImageError) -> PicturePlan {
    let side = model.config.imageSize
    return isBilinear ? try .stretchedLinear(width: side, height: side) : try .stretched(image, width: side, height: side)
  }

  /// `[pictures · tokens, outputSize]`. One picture after the other: each is large enough to occupy all threads.
  /// - Parameter progress: called with blocks done, of `pictures.count · layers`.
  func callAsFunction(
    _ pictures: [RGBImage], progress: ((Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> Tensor {
    let c = model.config
    let features = try ctx.arena.tensor(pictures.count * c.tokens, c.outputSize)
    for (i, picture) in pictures.enumerated() {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let pixels = try statistics.pixels([picture], side: c.imageSize, ctx)
      let one = try model(pixels, progress: { progress?(i * c.layers + $0) }, ctx)
      copy(one, to: features.slice(rows: i * c.tokens..<(i + 1) * c.tokens), ctx)
    }
    return features
  }
}
