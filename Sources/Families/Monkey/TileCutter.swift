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

  /// The image stretched to a canvas of whole tiles, and the part of it that each tile shows; the whole image last.
  func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    let (rows, columns, side) = (layout.rows, layout.columns, layout.side)
    var plan = ViewsPlan(image)
    plan.pictures = [try .stretched(image, width: columns * side, height: rows * side)]
    plan.cuts = [.picture(0)]
    let whole = PixelRectangle(image)
    plan.areas = (0..<rows * columns).map { whole.cell($0, rows: rows, columns: columns) } + [whole]
    (plan.rows, plan.columns) = (rows, columns)
    return plan
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
    // On the pool, which runs nothing in a dry run.
    ctx.pool.run(1) { _ in canvas.normalise(into: whole.data, statistics) }
    let (tiles, columns) = (layout.tiles, layout.columns)
    let lines = views.reshaped(views.count / side, side)
    copyRows(whole.reshaped(whole.count / side, side), to: lines.slice(rows: 0..<tiles * 3 * side), ctx) { line in
      let (tile, channel, y) = (line / (3 * side), line / side % 3, line % side)
      return (channel * height + tile / columns * side + y) * columns + tile % columns
    }
    for channel in 0..<3 {
      let plane = whole.slice(rows: channel * height..<(channel + 1) * height).reshaped(height * width, 1)
      let small = try Interpolation.bicubic(plane, height: height, width: width, toHeight: side, toWidth: side, ctx)
      let first = (3 * tiles + channel) * side
      copy(small.reshaped(side, side), to: lines.slice(rows: first..<first + side), ctx)
    }
    return UnsafePointer(views.data)
  }
}
