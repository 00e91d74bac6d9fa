// SPDX-License-Identifier: Apache-2.0

/// Consumes the rows of an image, in stored order.
protocol RowSink: AnyObject {
  /// - Parameters:
  ///   - row: the next row, used only during the call.
  ///   - isStopped: asked between rows that are made; true ends the work with `ImageError.stopped`.
  func take(_ row: UnsafePointer<UInt8>, isStopped: () -> Bool) throws(ImageError)
}

/// A rectangle of a picture, into which an image is written upright, row by row in stored order.
struct PicturePlace {
  private let picture: RGBImage
  private let first: UnsafeMutablePointer<UInt8>
  private let alongRow, alongColumn: Int

  /// - Parameters:
  ///   - x, y: the rectangle's top left pixel in the picture.
  ///   - width, height: the rectangle, upright; it lies inside the picture.
  init(_ picture: RGBImage, x: Int, y: Int, width: Int, height: Int, _ orientation: Orientation) {
    let steps = orientation.steps(width: width, height: height, stride: picture.stride)
    self.picture = picture
    first = picture.pixels + y * picture.stride + 3 * x + steps.start
    alongRow = steps.alongRow
    alongColumn = steps.alongColumn
  }

  /// Whether a stored row is contiguous in the picture, so that it can be written directly to `row`.
  var isDense: Bool { alongRow == 3 }

  func row(_ y: Int) -> UnsafeMutablePointer<UInt8> { first + y * alongColumn }

  /// Writes stored row `y`.
  func scatter(_ from: UnsafePointer<UInt8>, row y: Int, pixels: Int) {
    var from = from
    var into = row(y)
    for _ in 0..<pixels {
      into[0] = from[0]
      into[1] = from[1]
      into[2] = from[2]
      from += 3
      into += alongRow
    }
  }
}

/// Writes an image without resizing it.
final class RowCopy: RowSink {
  private let place: PicturePlace
  private let pixels: Int
  private var received = 0

  init(_ place: PicturePlace, pixels: Int) {
    self.place = place
    self.pixels = pixels
  }

  func take(_ row: UnsafePointer<UInt8>, isStopped: () -> Bool) throws(ImageError) {
    place.scatter(row, row: received, pixels: pixels)
    received += 1
  }
}
