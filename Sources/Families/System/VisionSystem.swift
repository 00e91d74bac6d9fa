// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime

/// The pictures that a system's `encode` gets for one image, and where they come from.
package struct ImageViews {
  /// As the system that made them cuts and orders them.
  package let pictures: [RGBImage]
  /// Rows and columns of the slices among them; 0 × 0 where the image was not sliced.
  package let rows, columns: Int
  /// The part of the original image that each view shows.
  package let areas: [PixelRectangle]
  /// Size of the original image in pixels.
  package let width, height: Int

  package init(_ pictures: [RGBImage], rows: Int, columns: Int, areas: [PixelRectangle], of image: RGBImage) {
    self.pictures = pictures
    self.rows = rows
    self.columns = columns
    self.areas = areas
    width = image.width
    height = image.height
  }
}

/// An encoded image, still in the arena of the call that made it.
package struct EncodedImage {
  /// `[tokens, decoder's hiddenSize]`: one whole image block, separators included.
  package let tokens: Tensor
  package let views: [ViewPlan]
  /// What the system's region encoder reads, where it has one.
  package let map: FeatureMap?

  package init(tokens: Tensor, views: [ViewPlan], map: FeatureMap? = nil) {
    self.tokens = tokens
    self.views = views
    self.map = map
  }
}

/// The seeing half of a system: image → views → encoder → tokens. Immutable and shared by threads.
package protocol VisionSystem: AnyObject {
  /// Most tokens that one image can become.
  var maximumTokens: Int { get }
  /// Makes vectors of regions; `nil` where the system knows them by their coordinates at most.
  var regionEncoder: (any RegionEncoder)? { get }

  /// Cuts and resizes an image as the system was trained to see it.
  func views(of image: RGBImage) throws(ImageError) -> ImageViews

  /// The same, cut into at most `tiles` tiles where the system cuts on request.
  func views(of image: RGBImage, tiles: Int) throws(ImageError) -> ImageViews

  /// - Parameter progress: called with encoder blocks done and blocks in all.
  func encode(_ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context) throws(RuntimeError) -> EncodedImage
}

extension VisionSystem {
  package var regionEncoder: (any RegionEncoder)? { nil }

  package func views(of image: RGBImage, tiles: Int) throws(ImageError) -> ImageViews {
    throw .badArgument(what: "tiles: the system of this model cuts images in one way only.")
  }
}
