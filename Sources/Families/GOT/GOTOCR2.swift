// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// GOT-OCR2 (arXiv:2409.01704): the vocabulary network on a page stretched to a square; on request, on the tiles of a page stretched over
/// their canvas, then on the whole page. All views stand between one start and one end vector.
package final class GOTOCR2: DescribedSystem {
  let vocabulary: VocabularyTower
  let projector: Linear
  let marks: ImageMarks

  package init(_ w: Weights, _ s: GOTSettings) throws(WeightFileError) {
    vocabulary = try VocabularyTower(w, s.vocabulary)
    projector = try Linear(w["projector.vocabulary"], from: s.vocabulary.outputSize, to: s.decoder.hiddenSize)
    marks = try ImageMarks(w, s.marks, size: s.decoder.hiddenSize)
  }

  package var maximumTokens: Int { vocabulary.model.config.tokens + 2 }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    var plan = ViewsPlan(image)
    plan.add(try vocabulary.picture(image), area: PixelRectangle(image))
    return plan
  }

  package func views(of image: ImageSize, tiles: Int) throws(ImageError) -> ViewsPlan {
    let side = vocabulary.model.config.imageSize
    let grid = try TileGrid(width: image.width, height: image.height, mostTiles: tiles, tile: side)
    guard grid.tiles > 1 else { return try views(of: image) }
    var plan = ViewsPlan(image)
    // The tiles are cut from Pillow's bicubic resize, whatever the single view uses.
    plan.add(
      tilesOf: try .stretched(image, width: grid.columns * side, height: grid.rows * side), rows: grid.rows,
      columns: grid.columns, side: side, area: PixelRectangle(image))
    plan.add(try vocabulary.picture(image), area: PixelRectangle(image))
    return plan
  }

  package func blocks(views: Int) -> Int { views * vocabulary.model.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let c = vocabulary.model.config
    let total = views.pictures.count * c.layers
    let tokens = try projector(vocabulary(views.pictures, progress: { progress?($0, total) }, ctx), ctx)
    let counts = Array(repeating: c.tokens, count: views.pictures.count)
    return EncodedImage(
      tokens: try marks.around(tokens, ctx),
      views: tilePlans(views.areas, columns: max(views.columns, 1), tokens: counts, first: 1))
  }
}
