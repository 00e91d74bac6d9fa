// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime
import Schema

/// How one image becomes one square picture.
enum SquareFit {
  /// Padded to a square in the middle with a colour, then resized (LLaVA's `image_aspect_ratio: "pad"`).
  case pad(colour: RGBColour)
  /// Shortest edge resized, then the centre cut out (CLIP's own preprocessing, llava-hf).
  case crop
  /// Both sides resized, the aspect ratio ignored.
  case stretch

  init(_ s: SquareFitSettings) {
    switch s.fit {
    case .pad: self = .pad(colour: RGBColour(s.padding))
    case .squareCrop: self = .crop
    case .stretch: self = .stretch
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

extension RGBColour {
  init(_ s: PadSettings) { self.init(UInt8(s.colour[0]), UInt8(s.colour[1]), UInt8(s.colour[2])) }
}
