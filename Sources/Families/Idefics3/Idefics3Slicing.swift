// SPDX-License-Identifier: Apache-2.0
import Images
import Schema

/// Resizing and cutting (arXiv:2408.12637 §3.2): to a longest edge, then to whole tiles, both with Pillow's Lanczos filter and 8 bits in
/// between; the view of the whole image is resized from the tiles' canvas.
package struct Idefics3Slicing {
  /// Most pixels of a side.
  static var limit: Int { 4096 }

  let longestEdge, tileSide: Int
  /// Pixels of a tile's side that the encoder reads.
  let seen: Int
  let splits: Bool

  package init(_ s: Idefics3SlicingSettings) {
    (longestEdge, tileSide, seen, splits) = (s.longestEdge, s.tileSide, min(s.inputSide, s.tileSide), s.splits)
  }

  package func callAsFunction(_ image: ImageSize) throws(ImageError) -> ViewsPlan {
    try checkSides(image.width, image.height)
    let first = resized(image)
    var plan = ViewsPlan(image)
    var canvas = try PicturePlan.stretched(image, width: first.width, height: first.height, filter: .lanczos)
    plan.pictures.append(canvas)
    if splits {
      let size = wholeTiles(first)
      canvas = try .stretched(picture: 0, canvas, width: size.width, height: size.height, filter: .lanczos)
      let (rows, columns) = (size.height / tileSide, size.width / tileSide)
      if rows * columns > 1 {
        plan.add(tilesOf: canvas, rows: rows, columns: columns, side: tileSide, area: PixelRectangle(image), seen: seen)
      } else {
        plan.pictures.append(canvas)
      }
    }
    plan.add(
      try .stretched(picture: plan.pictures.count - 1, canvas, width: tileSide, height: tileSide, filter: .lanczos), area: PixelRectangle(image),
      seen: seen)
    return plan
  }

  /// The longer side at `longestEdge`, the other in proportion and even.
  func resized(_ image: ImageSize) -> ImageSize {
    let aspect = Double(image.width) / Double(image.height)
    var size = ImageSize(width: longestEdge, height: longestEdge)
    // Divided and multiplied as transformers does it: the product with the inverse would round elsewhere.
    if image.width >= image.height {
      size.height = Int(Double(longestEdge) / aspect)
      size.height += size.height % 2
    } else {
      size.width = Int(Double(longestEdge) * aspect)
      size.width += size.width % 2
    }
    size = ImageSize(width: max(size.width, 1), height: max(size.height, 1))
    guard max(size.width, size.height) > Self.limit else { return size }
    let again = Double(size.width) / Double(size.height)
    if size.width >= size.height {
      return ImageSize(width: Self.limit, height: max(Int(Double(Self.limit) / again), 1))
    }
    return ImageSize(width: max(Int(Double(Self.limit) * again), 1), height: Self.limit)
  }

  /// The longer side rounded up to whole tiles, the other to that ratio and then up.
  func wholeTiles(_ size: ImageSize) -> ImageSize {
    let aspect = Double(size.width) / Double(size.height)
    func up(_ side: Int) -> Int { dividedUp(side, tileSide) * tileSide }
    if size.width >= size.height {
      let width = up(size.width)
      return ImageSize(width: width, height: max(up(Int(Double(width) / aspect)), tileSide))
    }
    let height = up(size.height)
    return ImageSize(width: max(up(Int(Double(height) * aspect)), tileSide), height: height)
  }
}
