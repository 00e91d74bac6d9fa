// SPDX-License-Identifier: Apache-2.0
import Images

/// HiRes-LLaVA's dynamic slicing (arXiv:2407.08706 §3.2): how many slices of the encoder's resolution an image is cut into and
/// its position on their canvas. Exact integer arithmetic throughout.
package struct HiResSlicing: Equatable {
  /// The encoder's side in pixels.
  package let resolution: Int
  package let columns, rows: Int
  /// The image on the canvas of all slices.
  package let fit: CanvasFit

  package var slices: Int { columns * rows }

  /// - Parameters:
  ///   - maxSlices: where ⌈width / resolution⌉ · ⌈height / resolution⌉ exceeds it, the (enlarged) image is first scaled by the
  ///     largest s < 1 for which it does not.
  ///   - enlarge: percent; the image is sliced as one that is so many times as large, as far as `maxSlices` allow.
  ///   - quadruple: double rows and columns, once, where the result stays within `maxSlices`.
  package init(width: Int, height: Int, resolution: Int, maxSlices: Int, enlarge: Int = 100, quadruple: Bool = false) throws(ImageError) {
    try checkSides(width, height)
    guard resolution > 0, resolution <= 1 << 14, maxSlices > 0, maxSlices <= 1 << 14 else {
      throw .badArgument(
        what: "Slices of \(resolution) pixels, \(maxSlices) at most: both numbers must be 1 … 16384.")
    }
    guard (100...400).contains(enlarge) else { throw .badArgument(what: "An image enlarged to \(enlarge) %: the number must be 100 … 400.") }
    let (wide, high) = (dividedUp(width * enlarge, 100), dividedUp(height * enlarge, 100))
    var columns = dividedUp(wide, resolution), rows = dividedUp(high, resolution)
    if columns * rows > maxSlices {
      (columns, rows) = HiResSlicing.shrunk(width: wide, height: high, maxSlices: maxSlices)
    } else if quadruple && 4 * columns * rows <= maxSlices {
      columns *= 2
      rows *= 2
    }
    self.resolution = resolution
    self.columns = columns
    self.rows = rows
    fit = try CanvasFit(
      width: width, height: height, canvasWidth: columns * resolution, canvasHeight: rows * resolution)
  }

  /// Both counts grow with the scale s and change only where s·width or s·height is a multiple of the resolution, so the
  /// largest s that keeps within the limit fills whole columns, s = k·r / width, or whole rows, s = k·r / height.
  /// The resolution cancels out: k columns go with ⌈k·height / width⌉ rows.
  private static func shrunk(width: Int, height: Int, maxSlices: Int) -> (columns: Int, rows: Int) {
    var k = maxSlices
    while k > 0 && k * dividedUp(k * height, width) > maxSlices { k -= 1 }
    var l = maxSlices
    while l > 0 && l * dividedUp(l * width, height) > maxSlices { l -= 1 }
    // One slice along the longer side always fits, so k and l are not both 0. The larger scale wins: k / width or l / height.
    return k * height >= l * width ? (k, dividedUp(k * height, width)) : (dividedUp(l * width, height), l)
  }

  /// The top left pixel of a slice on the canvas; slices are numbered row by row.
  package func origin(ofSlice index: Int) -> (x: Int, y: Int) {
    (index % columns * resolution, index / columns * resolution)
  }
}
