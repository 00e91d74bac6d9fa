// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// Idefics3 (arXiv:2408.12637), SmolVLM (arXiv:2504.05299) and granite-docling: tiles and a view of the whole image through SigLIP,
/// pixel shuffle, one linear layer, and between the views tokens that name a tile's position.
package final class Idefics3: DescribedSystem {
  let vision: VisionTransformer
  let shuffle: PixelShuffle
  let projector: Linear
  let marks: Idefics3Marks
  let statistics: Normalisation
  let slicing: Idefics3Slicing
  /// Tiles along a side, at most.
  private let mostPerSide: Int

  package init(_ w: Weights, _ s: Idefics3Settings) throws(WeightFileError) {
    vision = try VisionTransformer(w["vision"], VisionTransformerConfiguration(s.vision))
    shuffle = PixelShuffle(side: s.shuffle, grid: s.vision.grid)
    let size = s.vision.hiddenSize * s.shuffle * s.shuffle
    projector = try Linear(w["projector"], from: size, to: s.decoder.hiddenSize)
    mostPerSide = s.slicing.splits ? s.slicing.mostPerSide : 0
    marks = try Idefics3Marks(w, s.marks, mostColumns: mostPerSide, size: s.decoder.hiddenSize)
    statistics = Normalisation(s.statistics)
    slicing = Idefics3Slicing(s.slicing)
  }

  /// Vectors of one view.
  private var tokensPerView: Int { vision.config.patches / (shuffle.side * shuffle.side) }

  package var maximumTokens: Int {
    (mostPerSide * mostPerSide + 1) * tokensPerView + marks.most(rows: mostPerSide, columns: mostPerSide)
  }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan { try slicing(image) }

  package func blocks(views: Int) -> Int { (views + viewsAtOnce - 1) / viewsAtOnce * vision.config.layers }

  /// Views that go through the tower together. The tower's weights are read once for each group of them, which costs nothing beside the
  /// arithmetic of so many rows; all views at once would take four times the memory.
  private var viewsAtOnce: Int { max(Self.rowsAtOnce / vision.config.tokens, 1) }
  private static let rowsAtOnce = 4096

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let (pictures, count) = (views.pictures, tokensPerView)
    let total = blocks(views: pictures.count)
    let projected = try ctx.arena.tensor(pictures.count * count, projector.outputSize)
    var done = 0
    for start in stride(from: 0, to: pictures.count, by: viewsAtOnce) {
      let mark = ctx.arena.mark()
      defer { ctx.arena.release(to: mark) }
      let group = pictures[start..<min(start + viewsAtOnce, pictures.count)]
      let pixels = try statistics.pixels(Array(group), side: vision.config.imageSize, ctx)
      let features = try vision(pixels, views: group.count, progress: { progress?(done + $0, total) }, ctx)
      try projector(shuffle(features, ctx), into: projected.slice(rows: start * count..<group.endIndex * count), ctx)
      done += vision.config.layers
    }
    let (tokens, first) = try marks.between(projected, count: count, rows: views.rows, columns: views.columns, ctx)
    let plans = zip(first, views.areas).enumerated().map { i, view in
      let isWhole = i == views.rows * views.columns
      return ViewPlan(
        row: isWhole ? -1 : i / views.columns, column: isWhole ? -1 : i % views.columns, area: view.1, firstToken: view.0, tokens: count)
    }
    return EncodedImage(tokens: tokens, views: plans)
  }
}
