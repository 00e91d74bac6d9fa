// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// DeepSeek-OCR 2 (arXiv:2601.20552): the tiles of a page one after the other, then the whole page, and a separator at the end. In DeepEncoder V2
/// an encoder with causal queries follows SAM's; its order of vectors is its own, so no newlines are among them.
package final class DeepSeekOCR2: DescribedSystem {
  let sam: SAMTower
  let flow: CausalFlowEncoder
  /// Of the views' two sides.
  let queries: (tile: TensorView, page: TensorView)
  let projector: Linear
  let separator: TensorView  // [1, outputSize]
  let side, leastTiles, mostTiles: Int

  private typealias Sides = DeepSeekOCR2Settings

  package init(_ w: Weights, _ s: DeepSeekOCR2Settings) throws(WeightFileError) {
    sam = try SAMTower(w, s.sam, grids: Sides.grids(own: s.sam.grid))
    flow = try CausalFlowEncoder(w["vision"], s.vision)
    func view(_ side: Int) throws(WeightFileError) -> TensorView {
      try w.view("queries\(side)", rows: Sides.queries(side: side), columns: s.vision.hiddenSize)
    }
    queries = (try view(Sides.tileSide), try view(Sides.pageSide))
    projector = try Linear(w["projector"], from: s.vision.hiddenSize, to: s.decoder.hiddenSize)
    separator = try w.row("viewSeparator", count: s.decoder.hiddenSize)
    (side, leastTiles, mostTiles) = (s.side, s.leastTiles, s.mostTiles)
  }

  /// Padding around a page: half of white, 255 / 2 truncated.
  private static let grey = RGBColour(127, 127, 127)

  package var maximumTokens: Int { mostTiles * Sides.queries(side: Sides.tileSide) + Sides.queries(side: side) + 1 }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan { try plan(image, tiles: mostTiles) }

  /// - Parameter tiles: 1: the page is not cut.
  package func views(of image: ImageSize, tiles: Int) throws(ImageError) -> ViewsPlan {
    guard tiles == 1 || (tiles >= leastTiles && tiles <= mostTiles) else {
      throw .badArgument(what: "tiles: \(tiles), must be 1\(mostTiles > 1 ? " or \(leastTiles) … \(mostTiles)" : "").")
    }
    return try plan(image, tiles: tiles == 1 ? 0 : tiles)
  }

  private func plan(_ image: ImageSize, tiles: Int) throws(ImageError) -> ViewsPlan {
    try Self.plan(image, side: side, leastTiles: leastTiles, mostTiles: tiles)
  }

  /// - Parameters:
  ///   - side: of the view of the whole page.
  ///   - mostTiles: 0: the page is not cut.
  package static func plan(_ image: ImageSize, side: Int, leastTiles: Int, mostTiles: Int) throws(ImageError) -> ViewsPlan {
    var plan = ViewsPlan(image)
    let tile = Sides.tileSide
    if mostTiles > 0, image.width > tile || image.height > tile {
      let grid = try TileGrid(width: image.width, height: image.height, leastTiles: leastTiles, mostTiles: mostTiles, tile: tile)
      plan.add(
        tilesOf: try .stretched(image, width: grid.columns * tile, height: grid.rows * tile), rows: grid.rows, columns: grid.columns,
        side: tile, area: PixelRectangle(image))
    }
    let fit = try CanvasFit(centring: image, onSquareOf: side)
    plan.add(try .fitted(image, fit, colour: grey), area: PixelRectangle(canvas: fit, of: image))
    return plan
  }

  package func blocks(views: Int) -> Int { views * sam.layers + (views > 1 ? 2 : 1) * flow.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let (pictures, total) = (views.pictures, blocks(views: views.pictures.count))
    guard let page = pictures.last else { throw .shape(operation: "views of a page", expected: 1, found: 0) }
    let tiles = pictures.count - 1
    guard views.rows * views.columns == tiles else { throw .shape(operation: "tiles of a page", expected: views.rows * views.columns, found: tiles) }
    let (perTile, perPage) = (queries.tile.rows, (page.width == Sides.tileSide ? queries.tile : queries.page).rows)
    let local = tiles * perTile
    let tokens = try ctx.arena.tensor(local + perPage + 1, projector.outputSize)
    if tiles > 0 { try encode(Array(pictures.dropLast()), into: tokens.slice(rows: 0..<local), progress: { progress?($0, total) }, ctx) }
    let before = tiles > 0 ? total - blocks(views: 1) : 0
    try encode([page], into: tokens.slice(rows: local..<local + perPage), progress: { progress?(before + $0, total) }, ctx)
    copy(separator, to: tokens.slice(rows: tokens.rows - 1..<tokens.rows), ctx)

    var plans = (0..<tiles).map {
      ViewPlan(row: $0 / views.columns, column: $0 % views.columns, area: views.areas[$0], firstToken: $0 * perTile, tokens: perTile)
    }
    plans.append(ViewPlan(row: -1, column: -1, area: views.areas[tiles], firstToken: local, tokens: perPage))
    return EncodedImage(tokens: tokens, views: plans)
  }

  /// - Parameters:
  ///   - pictures: squares with one of the two sides.
  ///   - y: `[pictures · queries, outputSize]`.
  private func encode(_ pictures: [RGBImage], into y: Tensor, progress: ((Int) -> Void)?, _ ctx: Context) throws(RuntimeError) {
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let features = try sam(pictures, progress: progress, ctx)
    let done = pictures.count * sam.layers
    let seen = try flow(
      features: features, queries: pictures.first?.width == Sides.tileSide ? queries.tile : queries.page, views: pictures.count,
      progress: { progress?(done + $0) }, ctx)
    try projector(seen, into: y, ctx)
  }
}
