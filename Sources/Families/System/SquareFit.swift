// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime
import WeightFile

/// How one image becomes one square picture.
enum SquareFit {
  /// Padded to a square in the middle with a colour, then resized (LLaVA's `image_aspect_ratio: "pad"`).
  case pad(colour: RGBColour)
  /// Shortest edge resized, then the centre cut out (CLIP's own preprocessing, llava-hf).
  case crop
  /// Both sides resized, the aspect ratio ignored.
  case stretch

  init(_ m: Metadata) throws(WeightFileError) {
    let kind = try m.requireString("image.fit")
    if kind.utf8.elementsEqual("pad".utf8) {
      self = .pad(colour: try m.padColour())
    } else if kind.utf8.elementsEqual("square_crop".utf8) {
      self = .crop
    } else if kind.utf8.elementsEqual("stretch".utf8) {
      self = .stretch
    } else {
      throw m.mismatch("image.fit", found: kind, expected: "pad, square_crop or stretch")
    }
  }

  /// The picture, `side × side`, and the part of the original that it shows.
  func callAsFunction(_ image: RGBImage, side: Int) throws(ImageError) -> (RGBImage, PixelRectangle) {
    let (w, h) = (Double(image.width), Double(image.height))
    switch self {
    case .pad(let colour):
      let edge = max(w, h)
      let square = try image.paddedToSquare(colour: colour)
      let (x, y) = ((image.height - image.width) / 2, (image.width - image.height) / 2)
      return (
        try square.resized(width: side, height: side, filter: .bicubic),
        PixelRectangle(x: -Double(max(x, 0)), y: -Double(max(y, 0)), width: edge, height: edge)
      )
    case .crop:
      let edge = min(w, h)
      return (
        try image.resizedShortestEdge(side, filter: .bicubic).centreCropped(width: side, height: side),
        PixelRectangle(x: (w - edge) / 2, y: (h - edge) / 2, width: edge, height: edge)
      )
    case .stretch:
      return (
        try image.resized(width: side, height: side, filter: .bicubic),
        PixelRectangle(x: 0, y: 0, width: w, height: h)
      )
    }
  }
}

extension Metadata {
  /// Colour of padding, `image.padColour`, three numbers 0…255.
  func padColour() throws(WeightFileError) -> RGBColour {
    let c = try requireInts("image.padColour")
    guard c.count == 3, c.allSatisfy({ (0...255).contains($0) }) else {
      throw mismatch("image.padColour", found: "\(c.count) numbers", expected: "three numbers 0…255")
    }
    return RGBColour(UInt8(c[0]), UInt8(c[1]), UInt8(c[2]))
  }
}
