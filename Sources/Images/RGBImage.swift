// SPDX-License-Identifier: Apache-2.0

import Shims

/// One colour, each part 0 … 255.
package struct RGBColour: Equatable {
  package var red, green, blue: UInt8

  package init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  package static let black = RGBColour(0, 0, 0)
  package static let white = RGBColour(255, 255, 255)
}

/// An 8-bit RGB image: `height` rows of `width` pixels of 3 bytes. Its memory is freed once it and all its parts are released.
///
/// The operations make new images and leave this one alone, so threads may share it for reading.
package final class RGBImage {
  /// Pixels, at least 1.
  package let width, height: Int
  /// Row y starts at `pixels + y * stride`.
  package let pixels: UnsafeMutablePointer<UInt8>

  /// Bytes from one row to the next: 3 · width, more in a part of a wider image.
  package let stride: Int
  /// The image that this is a part of.
  private let whole: RGBImage?

  /// A decoded or given image with more pixels than this is refused unless the caller says otherwise: 2²⁸ are 768 MiB.
  package static let defaultMaximumPixels = 1 << 28
  /// No image, whatever made it, has more pixels than this: 2³⁰ are 3 GiB.
  package static let maximumPixels = 1 << 30

  /// An image with uninitialised pixels; the caller writes every one.
  package init(unwrittenWidth width: Int, height: Int) throws(ImageError) {
    try RGBImage.checkArea(width, height)
    let bytes = 3 * width * height
    guard let memory = block_allocate(bytes) else { throw .outOfMemory(source: "image", bytes: bytes) }
    self.width = width
    self.height = height
    stride = 3 * width
    whole = nil
    pixels = memory.bindMemory(to: UInt8.self, capacity: bytes)
  }

  /// The rectangle of `width` × `height` pixels whose top left pixel is (x, y); it must lie inside. Shares the image's memory.
  package init(partOf image: RGBImage, x: Int, y: Int, width: Int, height: Int) throws(ImageError) {
    guard x >= 0, y >= 0, width > 0, height > 0, width <= image.width, height <= image.height,
      x <= image.width - width, y <= image.height - height
    else {
      throw .badArgument(
        what: "A part of \(width) × \(height) at (\(x), \(y)) does not lie inside an image of \(image.width) × \(image.height).")
    }
    self.width = width
    self.height = height
    stride = image.stride
    whole = image
    pixels = image.pixels + y * image.stride + 3 * x
  }

  deinit { if whole == nil { block_free(pixels) } }

  /// An image of one colour.
  package convenience init(width: Int, height: Int, colour: RGBColour) throws(ImageError) {
    try self.init(unwrittenWidth: width, height: height)
    for x in 0..<width { self[x, 0] = colour }
    for y in 1..<max(1, height) { memcpy(pixels + y * stride, pixels, stride) }
  }

  /// Copies a caller's pixels.
  /// - Parameters:
  ///   - rgb: `height` rows of 3 · `width` bytes, `stride` bytes apart.
  ///   - stride: at least 3 · `width`; 0 means exactly that.
  package convenience init(
    rgb: UnsafePointer<UInt8>, width: Int, height: Int, stride: Int = 0,
    maximumPixels: Int = RGBImage.defaultMaximumPixels
  ) throws(ImageError) {
    let rows = try PixelRows(rgb: rgb, width: width, height: height, stride: stride, maximumPixels: maximumPixels)
    try self.init(unwrittenWidth: width, height: height)
    for y in 0..<height { memcpy(pixels + y * self.stride, try rows.next(), self.stride) }
  }

  package subscript(x: Int, y: Int) -> RGBColour {
    get {
      assert(x >= 0 && x < width && y >= 0 && y < height)
      let p = pixels + y * stride + 3 * x
      return RGBColour(p[0], p[1], p[2])
    }
    set {
      assert(x >= 0 && x < width && y >= 0 && y < height)
      let p = pixels + y * stride + 3 * x
      p[0] = newValue.red
      p[1] = newValue.green
      p[2] = newValue.blue
    }
  }

  /// Refuses more than `limit` pixels; the sides are at least 1.
  static func check(width: Int, height: Int, limit: Int, source: String) throws(ImageError) {
    let (area, overflows) = width.multipliedReportingOverflow(by: height)
    guard !overflows, area <= limit else {
      throw .tooManyPixels(source: source, width: width, height: height, limit: limit)
    }
  }

  static func checkArea(_ width: Int, _ height: Int) throws(ImageError) {
    guard width > 0, height > 0 else {
      throw .badArgument(what: "An image of \(width) × \(height) pixels was asked for; both sides must be at least 1.")
    }
    let (area, overflows) = width.multipliedReportingOverflow(by: height)
    guard !overflows, area <= RGBImage.maximumPixels else {
      throw .badArgument(
        what: "An image of \(width) × \(height) pixels was asked for; it may have \(RGBImage.maximumPixels) in all.")
    }
  }
}
