// SPDX-License-Identifier: Apache-2.0

import Shims

extension RGBImage {
  /// The rectangle of `width` × `height` pixels whose top left pixel is (x, y); it must lie inside.
  package func cropped(x: Int, y: Int, width cropWidth: Int, height cropHeight: Int) throws(ImageError) -> RGBImage {
    let part = try RGBImage(partOf: self, x: x, y: y, width: cropWidth, height: cropHeight)
    let result = try RGBImage(unwrittenWidth: cropWidth, height: cropHeight)
    for row in 0..<cropHeight { memcpy(result.pixels + row * result.stride, part.pixels + row * stride, result.stride) }
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
      memcpy(result.pixels + (y + row) * result.stride + 3 * x, pixels + row * stride, 3 * width)
    }
    return result
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
