// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime

/// Monkey's views of a canvas of rows × columns tiles: the tiles row by row, then the whole canvas reduced to one tile, bicubically
/// without antialiasing and on normalised values.
struct TileCutter {
  let layout: TileLayout
  let statistics: Normalisation

  init(_ layout: TileLayout, _ statistics: Normalisation) {
    self.layout = layout
    self.statistics = statistics
  }

  /// The image stretched to a canvas of whole tiles, and the part of it that each tile shows.
  func views(of image: RGBImage) throws(ImageError) -> ImageViews {
    let (rows, columns, side) = (layout.rows, layout.columns, layout.side)
    let canvas = try image.resized(width: columns * side, height: rows * side, filter: .bicubic)
    return ImageViews([canvas], rows: rows, columns: columns, areas: tileAreas(image, rows: rows, columns: columns), of: image)
  }

  /// - Parameter canvas: columns·side × rows·side pixels.
  /// - Returns: `[tiles + 1, 3, side, side]`, normalised.
  func pixels(_ canvas: RGBImage, _ ctx: Context) throws(RuntimeError) -> UnsafePointer<Float> {
    let side = layout.side
    let (height, width) = (layout.rows * side, layout.columns * side)
    let views = try ctx.arena.tensor(layout.tiles + 1, 3 * side * side)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let whole = try ctx.arena.tensor(3 * height, width)
    canvas.normalise(into: whole.data, statistics)
    ctx.split(rows: layout.tiles * 3 * side, cost: side) { lines in
      for line in lines {
        let (tile, channel, y) = (line / (3 * side), line / side % 3, line % side)
        let source = whole[channel * height + tile / layout.columns * side + y] + tile % layout.columns * side
        (views[tile] + (channel * side + y) * side).update(from: source, count: side)
      }
    }
    for channel in 0..<3 {
      let plane = Tensor(data: whole[channel * height], rows: height * width, columns: 1)
      let small = try Interpolation.bicubic(plane, height: height, width: width, toHeight: side, toWidth: side, ctx)
      (views[layout.tiles] + channel * side * side).update(from: small.data, count: side * side)
    }
    return UnsafePointer(views.data)
  }
}
