// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime
import Schema

/// How an image becomes one square picture.
enum SquareFit {
  /// Padded to a centred square with a colour, then resized (LLaVA's `image_aspect_ratio: "pad"`).
  case pad(colour: RGBColour)
  /// Shortest edge resized, then centre crop (CLIP's own preprocessing, llava-hf).
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

  /// The picture of `side × side`, and the area of the original that it shows.
  func callAsFunction(_ image: ImageSize, side: Int) throws(ImageError) -> (PicturePlan, PixelRectangle) {
    let (w, h) = (Double(image.width), Double(image.height))
    switch self {
    case .pad(let colour):
      let edge = max(w, h)
      let (x, y) = ((image.height - image.width) / 2, (image.width - image.height) / 2)
      return (
        try .paddedToSquare(image, side: side, colour: colour),
        PixelRectangle(x: -Double(max(x, 0)), y: -Double(max(y, 0)), width: edge, height: edge)
      )
    case .crop:
      let edge = min(w, h)
      return (
        try .shortestEdge(image, edge: side, width: side, height: side),
        PixelRectangle(x: (w - edge) / 2, y: (h - edge) / 2, width: edge, height: edge)
      )
    case .stretch:
      return (try .stretched(image, width: side, height: side), PixelRectangle(image))
    }
  }
}

extension RGBColour {
  init(_ s: PadSettings) { self.init(UInt8(s.colour[0]), UInt8(s.colour[1]), UInt8(s.colour[2])) }
}
