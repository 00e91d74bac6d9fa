// SPDX-License-Identifier: Apache-2.0

/// An image scaled, its ratio kept, to lie centred on a canvas; the odd remainder goes right and below.
package struct CanvasFit: Equatable {
  package let canvasWidth, canvasHeight: Int
  /// The scaled image, and where its top left pixel is on the canvas.
  package let width, height, x, y: Int

  init(canvasWidth: Int, canvasHeight: Int, width: Int, height: Int) {
    self.init(
      canvasWidth: canvasWidth, canvasHeight: canvasHeight, width: width, height: height, x: (canvasWidth - width) / 2,
      y: (canvasHeight - height) / 2)
  }

  init(canvasWidth: Int, canvasHeight: Int, width: Int, height: Int, x: Int, y: Int) {
    self.canvasWidth = canvasWidth
    self.canvasHeight = canvasHeight
    self.width = width
    self.height = height
    self.x = x
    self.y = y
  }

  /// The largest fit: scale = min(canvasWidth / width, canvasHeight / height), each side = ⌈side · scale⌉, computed in whole
  /// numbers, at most the canvas. The scale may exceed 1.
  package init(width: Int, height: Int, canvasWidth: Int, canvasHeight: Int) throws(ImageError) {
    try checkSides(width, height)
    try checkSides(canvasWidth, canvasHeight)
    if canvasWidth * height <= canvasHeight * width {
      self.init(
        canvasWidth: canvasWidth, canvasHeight: canvasHeight, width: canvasWidth,
        height: min(canvasHeight, dividedUp(height * canvasWidth, width)))
    } else {
      self.init(
        canvasWidth: canvasWidth, canvasHeight: canvasHeight, width: min(canvasWidth, dividedUp(width * canvasHeight, height)),
        height: canvasHeight)
    }
  }
}

/// ⌈a / b⌉ for a ≥ 0, b > 0.
package func dividedUp(_ a: Int, _ b: Int) -> Int { a / b + (a % b == 0 ? 0 : 1) }
