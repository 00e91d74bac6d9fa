// SPDX-License-Identifier: Apache-2.0

/// A picture to make of an image of known size: the image, resized, on a canvas. It holds sizes only; `RowSource.pictures` makes it as the image's
/// rows are read.
package struct PicturePlan: Equatable {
  /// How the image is resized.
  package enum Resize: Equatable {
    /// As Pillow's `Image.resize` does it; samples outside the image have the canvas's colour.
    case antialiased(ResampleFilter, columns: ResampledSide, rows: ResampledSide)
    /// As OpenCV's `resize` with INTER_LINEAR does it: no antialiasing, the whole image.
    case linear(width: Int, height: Int)
  }

  /// What is resized.
  package enum Source: Equatable {
    case image
    /// The index of an earlier picture in the list of plans, and its size.
    case picture(Int, ImageSize)
  }

  package var source = Source.image
  /// Pixels of the canvas.
  package var width, height: Int
  package var colour: RGBColour
  package var resize: Resize
  /// Where the top left pixel of the resized image is on the canvas.
  package var x, y: Int

  private init(width: Int, height: Int, colour: RGBColour = .black, x: Int = 0, y: Int = 0, _ resize: Resize) {
    self.width = width
    self.height = height
    self.colour = colour
    self.x = x
    self.y = y
    self.resize = resize
  }

  /// Both sides resized, the aspect ratio ignored.
  package static func stretched(
    _ image: ImageSize, width: Int, height: Int, filter: ResampleFilter = .bicubic
  ) throws(ImageError) -> PicturePlan {
    try checkSides(width, height)
    return PicturePlan(
      width: width, height: height,
      .antialiased(filter, columns: ResampledSide(image.width, to: width), rows: ResampledSide(image.height, to: height)))
  }

  /// The same from picture `index`, planned by `picture`: resized twice, with rounding to 8 bits in between, as a chain of Pillow's calls does it.
  package static func stretched(
    picture index: Int, _ picture: PicturePlan, width: Int, height: Int, filter: ResampleFilter = .bicubic
  ) throws(ImageError) -> PicturePlan {
    let size = ImageSize(width: picture.width, height: picture.height)
    var plan = try stretched(size, width: width, height: height, filter: filter)
    plan.source = .picture(index, size)
    return plan
  }

  /// The same as OpenCV does it by default.
  package static func stretchedLinear(width: Int, height: Int) throws(ImageError) -> PicturePlan {
    try checkSides(width, height)
    return PicturePlan(width: width, height: height, .linear(width: width, height: height))
  }

  /// The image resized to lie on a canvas.
  package static func fitted(
    _ image: ImageSize, _ fit: CanvasFit, colour: RGBColour, filter: ResampleFilter = .bicubic
  ) throws(ImageError) -> PicturePlan {
    var plan = try stretched(image, width: fit.width, height: fit.height, filter: filter)
    (plan.width, plan.height, plan.x, plan.y, plan.colour) = (fit.canvasWidth, fit.canvasHeight, fit.x, fit.y, colour)
    return plan
  }

  /// The image centred on a square of its longer side (LLaVA's `expand2square`; an odd remainder goes right or below), and that
  /// resized. No pixel of the padding is ever made.
  package static func paddedToSquare(
    _ image: ImageSize, side: Int, colour: RGBColour, filter: ResampleFilter = .bicubic
  ) throws(ImageError) -> PicturePlan {
    try checkSides(side, side)
    let longer = max(image.width, image.height)
    func padded(_ length: Int) -> ResampledSide {
      var result = ResampledSide(longer, to: side)
      let margin = (longer - length) / 2
      result.image = margin..<margin + length
      return result
    }
    return PicturePlan(
      width: side, height: side, colour: colour,
      .antialiased(filter, columns: padded(image.width), rows: padded(image.height)))
  }

  /// The image resized so that its shorter side is `edge`, and of that the middle `width` × `height` pixels, as transformers'
  /// `center_crop`: an odd remainder makes the left (upper) margin the smaller one; where the image is smaller than the crop it is
  /// surrounded by black, the left (upper) band the wider. Nothing outside the crop is ever made.
  package static func shortestEdge(
    _ image: ImageSize, edge: Int, width: Int, height: Int, filter: ResampleFilter = .bicubic
  ) throws(ImageError) -> PicturePlan {
    try checkSides(width, height)
    let size = try ShortestEdge.size(width: image.width, height: image.height, edge: edge)
    func cropped(_ inputs: Int, to outputs: Int, _ crop: Int) -> ResampledSide {
      var result = ResampledSide(inputs, to: outputs)
      let inside = min(crop, outputs), margin = (outputs - inside) / 2
      result.kept = margin..<margin + inside
      return result
    }
    let columns = cropped(image.width, to: size.width, width), rows = cropped(image.height, to: size.height, height)
    return PicturePlan(
      width: width, height: height, x: (width - columns.kept.count + 1) / 2, y: (height - rows.kept.count + 1) / 2,
      .antialiased(filter, columns: columns, rows: rows))
  }

  /// Bytes of the picture; nil: more than a picture may have.
  package var pictureBytes: Int? {
    let (area, overflows) = width.multipliedReportingOverflow(by: height)
    return overflows || area > RGBImage.maximumPixels ? nil : 3 * area
  }

  /// Bytes of scratch memory for making the picture from an image of this stored width and orientation; nil: overflow.
  package func workingBytes(storedWidth: Int, _ orientation: Orientation) -> Int? {
    var (storedWidth, orientation) = (storedWidth, orientation)
    if case .picture(_, let size) = source { (storedWidth, orientation) = (size.width, .upright) }
    switch resize {
    case .linear(let width, let height):
      return LinearResampler.workingBytes(width: width, height: height, storedWidth: storedWidth)
    case .antialiased(let filter, let columns, let rows):
      return AreaResampler.Passes(filter, columns: columns, rows: rows, orientation).workingBytes
    }
  }
}

/// Pixels of an image, upright.
package struct ImageSize: Equatable {
  package var width, height: Int

  package init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }
}
