// SPDX-License-Identifier: Apache-2.0

extension CanvasFit {
  /// The largest fit on a square as Pillow's `ImageOps.pad` makes it: the shorter side and the margin before it rounded to the nearest
  /// whole number, halves to the even one. Pillow refuses an image so narrow that nothing of the shorter side is left; here a pixel is.
  package init(padding image: ImageSize, toSquareOf side: Int) throws(ImageError) {
    try checkSides(image.width, image.height)
    try checkSides(side, side)
    func rounded(_ value: Double) -> Int { Int(value.rounded(.toNearestOrEven)) }
    var (width, height) = (side, side)
    let (w, h) = (Double(image.width), Double(image.height))
    if image.width > image.height {
      height = min(max(rounded(h / w * Double(side)), 1), side)
    } else if image.width < image.height {
      width = min(max(rounded(w / h * Double(side)), 1), side)
    }
    self.init(
      canvasWidth: side, canvasHeight: side, width: width, height: height, x: rounded(Double(side - width) * 0.5),
      y: rounded(Double(side - height) * 0.5))
  }

  /// The largest fit on a square as transformers makes it for DeepSeek-OCR 2: scale = side / longer side, the shorter side rounded to the
  /// nearest whole number, halves to the even one; of an odd remainder the smaller part goes left and above. It refuses an image so narrow
  /// that nothing of the shorter side is left; here a pixel is.
  package init(centring image: ImageSize, onSquareOf side: Int) throws(ImageError) {
    try checkSides(image.width, image.height)
    try checkSides(side, side)
    let scale = Double(side) / Double(max(image.width, image.height))
    func scaled(_ length: Int) -> Int { min(max(Int((Double(length) * scale).rounded(.toNearestOrEven)), 1), side) }
    self.init(canvasWidth: side, canvasHeight: side, width: scaled(image.width), height: scaled(image.height))
  }
}
