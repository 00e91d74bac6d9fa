// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Schema
import WeightFile

/// DeepSeek-OCR (arXiv:2510.18234): tiles of a page as one map, then the whole page, a newline vector after each row of both maps and a
/// separator at the end.
package final class DeepSeekOCR: DescribedSystem {
  let towers: SerialTowers
  let newline, separator: TensorView  // [1, outputSize]
  typealias Mode = DeepSeekOCRSettings.Mode
  /// The default mode.
  let mode: Mode
  let mostTiles: Int

  package init(_ w: Weights, _ s: DeepSeekOCRSettings) throws(WeightFileError) {
    towers = try SerialTowers(w, s)
    newline = try w.row("imageNewline", count: s.decoder.hiddenSize)
    separator = try w.row("viewSeparator", count: s.decoder.hiddenSize)
    mode = s.mode
    mostTiles = s.mostTiles
  }

  private static let leastTiles = 2
  /// Padding around a page: half of white, 255 / 2 truncated.
  private static let grey = RGBColour(127, 127, 127)

  package var maximumTokens: Int {
    Mode.allCases.reduce(0) { most, mode in
      let whole = towers.side(pixels: mode.side)
      var tiles = 0
      if let tile = mode.tileSide.map(towers.side) {
        for rows in 1...mostTiles { tiles = max(tiles, rows * tile * (mostTiles / rows * tile + 1)) }
      }
      return max(most, tiles + whole * (whole + 1) + 1)
    }
  }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan { try Self.plan(image, mode, tiles: mostTiles) }

  package func views(of image: ImageSize, tiles: Int) throws(ImageError) -> ViewsPlan { try views(of: image, mode, tiles: tiles) }

  package func views(of image: ImageSize, mode name: [UInt8], tiles: Int?) throws(ImageError) -> ViewsPlan {
    let text = String(decoding: name, as: UTF8.self)
    guard let mode = Mode(spelling: text) else {
      var known = ""
      for mode in Mode.allCases { known += (known.isEmpty ? "" : ", ") + mode.spelling.description }
      throw .badArgument(what: "mode: \(text), must be one of \(known).")
    }
    guard let tiles else { return try Self.plan(image, mode, tiles: mostTiles) }
    return try views(of: image, mode, tiles: tiles)
  }

  /// - Parameter tiles: 1: the page is not cut.
  private func views(of image: ImageSize, _ mode: Mode, tiles: Int) throws(ImageError) -> ViewsPlan {
    guard tiles == 1 || (mode.tileSide != nil && (Self.leastTiles...mostTiles).contains(tiles)) else {
      throw .badArgument(what: "tiles: \(tiles), must be 1\(mode.tileSide == nil ? " in mode \(mode.spelling)" : " … \(mostTiles)").")
    }
    return try Self.plan(image, mode, tiles: tiles)
  }

  /// - Parameter tiles: the most; fewer than two: the page is not cut.
  package static func plan(_ image: ImageSize, _ mode: DeepSeekOCRSettings.Mode, tiles: Int) throws(ImageError) -> ViewsPlan {
    var plan = ViewsPlan(image)
    if let side = mode.tileSide, tiles >= leastTiles, image.width > side || image.height > side {
      let grid = try TileGrid(
        width: image.width, height: image.height, leastTiles: leastTiles, mostTiles: tiles, tile: side)
      plan.add(
        tilesOf: try .stretched(image, width: grid.columns * side, height: grid.rows * side), rows: grid.rows, columns: grid.columns,
        side: side, area: PixelRectangle(image))
    }
    if mode.stretches {
      plan.add(try .stretched(image, width: mode.side, height: mode.side), area: PixelRectangle(image))
    } else {
      let fit = try CanvasFit(padding: image, toSquareOf: mode.side)
      plan.add(try .fitted(image, fit, colour: grey), area: PixelRectangle(canvas: fit, of: image))
    }
    return plan
  }

  package func blocks(views: Int) -> Int { views * towers.sam.layers + (views > 1 ? 2 : 1) * towers.clip.config.layers }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    let (pictures, total) = (views.pictures, blocks(views: views.pictures.count))
    guard let page = pictures.last else { throw .shape(operation: "views of a page", expected: 1, found: 0) }
    let (tiles, whole) = (pictures.count - 1, towers.side(pixels: page.width))
    let side = tiles > 0 ? towers.side(pixels: pictures[0].width) : 0
    let (rows, columns) = tiles > 0 ? (views.rows, views.columns) : (0, 0)
    guard rows * columns == tiles else { throw .shape(operation: "tiles of a page", expected: rows * columns, found: tiles) }
    let (line, wholeLine) = (columns * side + 1, whole + 1)
    let local = tiles > 0 ? rows * side * line : 0
    let tokens = try ctx.arena.tensor(local + whole * wholeLine + 1, newline.columns)

    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    if tiles > 0 {
      let seen = try towers(Array(pictures.dropLast()), progress: { progress?($0, total) }, ctx)
      copyRows(seen, to: tokens.slice(rows: 0..<local), ctx) { token in
        let (y, x) = (token / line, token % line)
        guard x < line - 1 else { return nil }
        return (y / side * columns + x / side) * side * side + y % side * side + x % side
      }
      ctx.arena.release(to: mark)
    }
    let before = tiles > 0 ? blocks(views: pictures.count) - blocks(views: 1) : 0
    let seen = try towers([page], progress: { progress?(before + $0, total) }, ctx)
    copyRows(seen, to: tokens.slice(rows: local..<tokens.rows - 1), ctx) { token in
      token % wholeLine < whole ? token / wholeLine * whole + token % wholeLine : nil
    }
    addRows(newline, to: tokens.slice(rows: 0..<tokens.rows - 1), ctx) { token in
      token < local ? (token % line == line - 1 ? 0 : nil) : (token - local) % wholeLine == whole ? 0 : nil
    }
    copy(separator, to: tokens.slice(rows: tokens.rows - 1..<tokens.rows), ctx)

    // A tile's tokens are not contiguous in the merged map of all tiles.
    var plans = (0..<tiles).map { ViewPlan(row: $0 / columns, column: $0 % columns, area: views.areas[$0], firstToken: 0, tokens: 0) }
    plans.append(ViewPlan(row: -1, column: -1, area: views.areas[tiles], firstToken: local, tokens: whole * wholeLine))
    return EncodedImage(tokens: tokens, views: plans)
  }
}
