// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// How one image becomes one square picture.
package struct SquareFitSettings: Settings {
  package static let scope = "image"

  package enum Fit: Spelled {
    /// Padded to a square in the middle with a colour, then resized (LLaVA's `image_aspect_ratio: "pad"`).
    case pad
    /// Shortest edge resized, then the centre cut out (CLIP's own preprocessing, llava-hf).
    case squareCrop
    /// Both sides resized, the aspect ratio ignored.
    case stretch

    package var spelling: StaticString {
      switch self {
      case .pad: "pad"
      case .squareCrop: "square_crop"
      case .stretch: "stretch"
      }
    }
  }

  package var fit = Fit.pad
  /// With `pad`.
  package var padding = PadSettings()

  package init() {}
  package init(_ fit: Fit, padding: PadSettings = PadSettings()) {
    self.fit = fit
    self.padding = padding
  }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.choice("fit", &fit, "How the image is made square.")
    try f.part(&padding, scope: "", when: .when(fit == .pad, "`image.fit` is `pad`"))
  }
}

/// The colour of padding.
package struct PadSettings: Settings {
  package static let scope = "image"

  /// Red, green, blue.
  package var colour = [0, 0, 0]

  package init() {}
  package init(colour: [Int]) { self.colour = colour }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.ints("padColour", &colour, in: 0...255, count: 3...3, "Red, green and blue of padding.")
  }
}
