// SPDX-License-Identifier: Apache-2.0
import Images

/// The pictures that a system makes of an image, and how they are cut into views. It depends on the image's size alone, so that
/// the pictures can be made while rows are read.
package struct ViewsPlan {
  /// Where the pixels of one view come from.
  package enum Cut {
    /// A whole picture, by index.
    case picture(Int)
    /// The square of `side` pixels whose top left pixel is (x, y) in picture `of`.
    case tile(of: Int, x: Int, y: Int, side: Int)
  }

  package var pictures: [PicturePlan] = []
  /// In the order the system encodes them.
  package var cuts: [Cut] = []
  /// The part of the original image that each view shows.
  package var areas: [PixelRectangle] = []
  /// Rows and columns of the tiles among the views; 0 × 0 where the image is not cut.
  package var rows = 0, columns = 0
  package let image: ImageSize

  package init(_ image: ImageSize) { self.image = image }

  /// Adds a picture that is one view.
  /// - Parameter seen: side in pixels of the part of a square picture that the encoder reads; nil: all.
  mutating func add(_ picture: PicturePlan, area: PixelRectangle, seen: Int? = nil) {
    cuts.append(seen.map { .tile(of: pictures.count, x: 0, y: 0, side: $0) } ?? .picture(pictures.count))
    pictures.append(picture)
    areas.append(area)
  }

  /// Adds a canvas, which shows `area`, cut into rows × columns tiles, row by row.
  /// - Parameter seen: side in pixels of the part of a tile, from its upper left corner, that the encoder reads; nil: all.
  mutating func add(tilesOf canvas: PicturePlan, rows: Int, columns: Int, side: Int, area: PixelRectangle, seen: Int? = nil) {
    for i in 0..<rows * columns {
      cuts.append(.tile(of: pictures.count, x: i % columns * side, y: i / columns * side, side: seen ?? side))
      areas.append(area.cell(i, rows: rows, columns: columns))
    }
    pictures.append(canvas)
    (self.rows, self.columns) = (rows, columns)
  }

  /// Bytes of all pictures; nil: more than allowed.
  package var pictureBytes: Int? {
    pictures.reduce(0) { sum, picture in sum.flatMap { sum in picture.pictureBytes.map { sum + $0 } } }
  }
}

/// The pictures that a system's `encode` gets for one image, and their areas.
package struct ImageViews {
  /// Ordered as planned.
  package let pictures: [RGBImage]
  package let plan: ViewsPlan

  package var rows: Int { plan.rows }
  package var columns: Int { plan.columns }
  package var areas: [PixelRectangle] { plan.areas }

  /// Cuts the plan's pictures, without copying their pixels.
  package init(_ plan: ViewsPlan, _ made: [RGBImage]) throws(ImageError) {
    var pictures: [RGBImage] = []
    for cut in plan.cuts {
      switch cut {
      case .picture(let i): pictures.append(made[i])
      case .tile(let of, let x, let y, let side):
        pictures.append(try RGBImage(partOf: made[of], x: x, y: y, width: side, height: side))
      }
    }
    self.plan = plan
    self.pictures = pictures
  }
}
