// SPDX-License-Identifier: Apache-2.0

import Shims

extension RGBImage {
  /// The rectangle of `width` × `height` pixels whose top left pixel is (x, y); it must lie inside.
  package func cropped(x: Int, y: Int, width cropWidth: Int, height cropHeight: Int) throws(ImageError) -> RGBImage {
    guard x >= 0, y >= 0, cropWidth > 0, cropHeight > 0, cropWidth <= width, cropHeight <= height,
      x <= width - cropWidth, y <= height - cropHeight
    else {
      throw .badArgument(
        what: "A crop of \(cropWidth) × \(cropHeight) at (\(x), \(y)) does not lie inside an image of \(width) × \(height).")
    }
    let result = try RGBImage(unwrittenWidth: cropWidth, height: cropHeight)
    for row in 0..<cropHeight {
      memcpy(result.pixels + row * result.stride, pixels + (y + row) * stride + 3 * x, result.stride)
    }
    return result
  }

  /// A canvas of one colour with this image painted on it, its top left pixel at (x, y); it must fit.
  package func pasted(
    onWidth canvasWidth: Int, height canvasHeight: Int, x: Int, y: Int, colour: RGBColour
  ) throws(ImageError) -> RGBImage {
    guard x >= 0, y >= 0, width <= canvasWidth, height <= canvasHeight, x <= canvasWidth - width, y <= canvasHeight - height
    else {
      throw .badArgument(
        what: "An image of \(width) × \(height) at (\(x), \(y)) does not fit on a canvas of \(canvasWidth) × \(canvasHeight).")
    }
    let result = try RGBImage(width: canvasWidth, height: canvasHeight, colour: colour)
    for row in 0..<height {
      memcpy(result.pixels + (y + row) * result.stride + 3 * x, pixels + row * stride, stride)
    }
    return result
  }

  /// The image centred on a square of its longer side (LLaVA's `expand2square`); an odd remainder goes right or below.
  package func paddedToSquare(colour: RGBColour) throws(ImageError) -> RGBImage {
    if width == height { return self }
    let side = max(width, height)
    return try pasted(onWidth: side, height: side, x: (side - width) / 2, y: (side - height) / 2, colour: colour)
  }

  /// The image resized so that its shorter side is `edge`; the longer one is cut to a whole number, as in transformers'
  /// `get_resize_output_image_size(…, default_to_square=False)`.
  package func resizedShortestEdge(_ edge: Int, filter: ResampleFilter) throws(ImageError) -> RGBImage {
    let size = try ShortestEdge.size(width: width, height: height, edge: edge)
    return try resized(width: size.width, height: size.height, filter: filter)
  }

  /// The middle `width` × `height` pixels, as transformers' `center_crop`: an odd remainder makes the left (upper) margin
  /// the smaller one; where the image is smaller than the crop it is surrounded by black, the left (upper) band the wider.
  package func centreCropped(width cropWidth: Int, height cropHeight: Int) throws(ImageError) -> RGBImage {
    guard cropWidth > 0, cropHeight > 0 else {
      throw .badArgument(what: "A crop of \(cropWidth) × \(cropHeight) was asked for; both sides must be at least 1.")
    }
    let insideWidth = min(cropWidth, width), insideHeight = min(cropHeight, height)
    let inside = try cropped(
      x: (width - insideWidth) / 2, y: (height - insideHeight) / 2, width: insideWidth, height: insideHeight)
    if insideWidth == cropWidth && insideHeight == cropHeight { return inside }
    return try inside.pasted(
      onWidth: cropWidth, height: cropHeight, x: (cropWidth - insideWidth + 1) / 2, y: (cropHeight - insideHeight + 1) / 2,
      colour: .black)
  }
}

/// Sizes of CLIP's resize by the shortest edge.
package enum ShortestEdge {
  package static func size(width: Int, height: Int, edge: Int) throws(ImageError) -> (width: Int, height: Int) {
    try checkSides(width, height)
    guard edge > 0, edge <= 1 << 16 else {
      throw .badArgument(what: "A shortest edge of \(edge) was asked for; 1 … 65536 are possible.")
    }
    let short = min(width, height), long = max(width, height)
    // Both operands are below 2⁵³, so this division rounds like Python's division of whole numbers.
    let newLong = Int(Double(edge * long) / Double(short))
    return width <= height ? (edge, newLong) : (newLong, edge)
  }
}

/// Sides that geometry can be computed with in 64 bits.
package func checkSides(_ width: Int, _ height: Int) throws(ImageError) {
  guard width > 0, height > 0, width <= Int(Int32.max), height <= Int(Int32.max) else {
    throw .badArgument(what: "An image of \(width) × \(height) pixels: each side must be 1 … \(Int32.max).")
  }
}
