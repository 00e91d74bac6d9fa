// SPDX-License-Identifier: Apache-2.0

/// LLaVA-NeXT's any-resolution rules, in floating point exactly as Python computes them.
package enum AnyResolution {
  /// A size of `pinpoints` or of a part of an image.
  package typealias Size = ImageSize

  /// The candidate on which the image, scaled to fit, has most pixels (never counted as more than it has itself); of equal ones
  /// the smallest, of equal ones the first. transformers: `select_best_resolution`.
  package static func select(width: Int, height: Int, pinpoints: [Size]) throws(ImageError) -> Size {
    try checkSides(width, height)
    guard var best = pinpoints.first else {
      throw .badArgument(what: "There is no resolution to choose from.")
    }
    var bestEffective = 0
    var leastWaste = Int.max
    for candidate in pinpoints {
      try checkSides(candidate.width, candidate.height)
      let scale = min(Double(candidate.width) / Double(width), Double(candidate.height) / Double(height))
      let scaled = Int(Double(width) * scale) * Int(Double(height) * scale)
      let effective = min(scaled, width * height)
      let waste = candidate.width * candidate.height - effective
      if effective > bestEffective || (effective == bestEffective && waste < leastWaste) {
        best = candidate
        bestEffective = effective
        leastWaste = waste
      }
    }
    return best
  }

  /// Where the image lies on the chosen resolution, its ratio kept: transformers' `get_patch_output_size` and
  /// `_get_padding_size` (an odd remainder goes right and below).
  package static func fit(width: Int, height: Int, on target: Size) throws(ImageError) -> CanvasFit {
    try checkSides(width, height)
    try checkSides(target.width, target.height)
    let scaleX = Double(target.width) / Double(width), scaleY = Double(target.height) / Double(height)
    var fitted = target
    if scaleX < scaleY {
      fitted.height = min(Int((Double(height) * scaleX).rounded(.up)), target.height)
    } else {
      fitted.width = min(Int((Double(width) * scaleY).rounded(.up)), target.width)
    }
    return CanvasFit(
      canvasWidth: target.width, canvasHeight: target.height, width: max(1, fitted.width), height: max(1, fitted.height))
  }

  /// The part of a feature map of `current` size (all tiles put together) that is image and not padding: transformers'
  /// `unpad_image`. The map's rows and columns that are kept.
  package static func unpadded(
    width: Int, height: Int, current: Size
  ) throws(ImageError) -> (rows: Range<Int>, columns: Range<Int>) {
    try checkSides(width, height)
    try checkSides(current.width, current.height)
    if Double(width) / Double(height) > Double(current.width) / Double(current.height) {
      let kept = truncatedAfterRounding(Double(height) * (Double(current.width) / Double(width)))
      let padding = max(0, (current.height - kept) / 2)
      return (padding..<current.height - padding, 0..<current.width)
    } else {
      let kept = truncatedAfterRounding(Double(width) * (Double(current.height) / Double(height)))
      let padding = max(0, (current.width - kept) / 2)
      return (0..<current.height, padding..<current.width - padding)
    }
  }

  /// Python's `int(round(value, 7))` for 0 ≤ value < 2³²: the next whole number if less than half of 10⁻⁷ is missing.
  /// The difference is exact, and the constant is the double just below 0.99999995.
  static func truncatedAfterRounding(_ value: Double) -> Int {
    let whole = value.rounded(.down)
    return Int(whole) + (value - whole > 0.99999995 ? 1 : 0)
  }
}
