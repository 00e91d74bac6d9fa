// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime

/// Monkey's views of a canvas of rows × columns tiles: the tiles row by row, then the whole canvas reduced to one tile, bicubically
/// without antialiasing and on normalised values.
struct TileCutter {
  let config: QwenVisionConfig
  let statistics: Normalisation

  init(_ config: QwenVisionConfig, _ statistics: Normalisation) {
    self.config = config
    self.statistics = statistics
  }

  /// The image stretched to a canvas of whole tiles, and the part of it that each tile shows; the whole image last.
  func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    let (rows, columns, side) = (config.rows, config.columns, config.tileSize)
    var plan = ViewsPlan(image)
    plan.pictures = [try .stretched(image, width: columns * side, height: rows * side)]
    plan.cuts = [.picture(0)]
    let whole = PixelRectangle(image)
    plan.areas = (0..<rows * columns).map { whole.cell($0, rows: rows, columns: columns) } + [whole]
    (plan.rows, plan.columns) = (rows, columns)
    return plan
  }

  /// - Parameter canvas: columns·tileSize × rows·tileSize pixels.
  /// - Returns: `[tiles + 1, 3, tileSize, tileSize]`, normalised.
  func pixels(_ canvas: RGBImage, _ ctx: Context) throws(RuntimeError) -> UnsafePointer<Float> {
    let side = config.tileSize
    let (height, width) = (config.rows * side, config.columns * side)
    let views = try ctx.arena.tensor(config.tiles + 1, 3 * side * side)
    let mark = ctx.arena.mark()
    defer { ctx.arena.release(to: mark) }
    let whole = try ctx.arena.tensor(3 * height, width)
    canvas.normalise(into: whole.data, statistics)
    ctx.split(rows: config.tiles * 3 * side, cost: side) { lines in
      for line in lines {
        let (tile, channel, y) = (line / (3 * side), line / side % 3, line % side)
        let source = whole[channel * height + tile / config.columns * side + y] + tile % config.columns * side
        (views[tile] + (channel * side + y) * side).update(from: source, count: side)
      }
    }
    for channel in 0..<3 {
      let plane = Tensor(data: whole[channel * height], rows: height * width, columns: 1)
      let small = try Interpolation.bicubic(plane, height: height, width: width, toHeight: side, toWidth: side, ctx)
      (views[config.tiles] + channel * side * side).update(from: small.data, count: side * side)
    }
    return UnsafePointer(views.data)
  }
}
