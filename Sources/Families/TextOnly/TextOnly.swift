// SPDX-License-Identifier: Apache-2.0
import Images
import Runtime
import Schema
import WeightFile

/// A decoder without vision: it takes no images.
package final class TextOnly: DescribedSystem {
  package init(_ w: Weights, _ s: TextOnlySettings) throws(WeightFileError) {}

  package var maximumTokens: Int { 0 }

  package func views(of image: ImageSize) throws(ImageError) -> ViewsPlan {
    throw .badArgument(what: "image: the model of this file reads text only.")
  }

  package func blocks(views: Int) -> Int { 0 }

  package func encode(
    _ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context
  ) throws(RuntimeError) -> EncodedImage {
    throw .shape(operation: "views of a decoder by itself", expected: 0, found: views.pictures.count)
  }
}

/// No settings.
package struct TextOnlySettings: VisionSettings {
  package var decoder = DecoderSizes()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {}
}
