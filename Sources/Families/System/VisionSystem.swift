// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime

/// An encoded image, still in the arena of the call that made it.
package struct EncodedImage {
  /// `[tokens, decoder's hiddenSize]`: one whole image block, separators included.
  package let tokens: Tensor
  package let views: [ViewPlan]
  /// The map that the system's region encoder reads, where it has one.
  package let map: FeatureMap?

  package init(tokens: Tensor, views: [ViewPlan], map: FeatureMap? = nil) {
    self.tokens = tokens
    self.views = views
    self.map = map
  }
}

/// The vision side of a system: image → views → encoder → tokens. Immutable and shared by threads.
package protocol VisionSystem: AnyObject {
  /// Most tokens that one image can become.
  var maximumTokens: Int { get }
  /// Encodes regions as vectors; `nil`: the system takes regions by their coordinates at most.
  var regionEncoder: (any RegionEncoder)? { get }

  /// How an image of this size is resized and cut, as the system was trained to see it.
  func views(of image: ImageSize) throws(ImageError) -> ViewsPlan

  /// The same, cut into at most `tiles` tiles where the system cuts on request.
  func views(of image: ImageSize, tiles: Int) throws(ImageError) -> ViewsPlan

  /// The same in one of the system's own modes, by name.
  /// - Parameter tiles: nil: as many as the mode has.
  func views(of image: ImageSize, mode: [UInt8], tiles: Int?) throws(ImageError) -> ViewsPlan

  /// The modes in which a picture is worth asking about when it is read, the best first; empty: as `views(of:)` has it, only.
  var readingModes: [[UInt8]] { get }
  /// Mean log-probability of an answer's tokens below which the reading of a page is doubted, and the page cut between its lines; nil: pages are
  /// never cut.
  var doubt: Double? { get }
  /// Views that it takes to see an image of this size without reducing it, by those that there are.
  func crowding(of image: ImageSize) -> Double

  /// Total of encoder blocks that `encode` reports for this number of views.
  func blocks(views: Int) -> Int

  /// - Parameter progress: called with encoder blocks done and blocks in all.
  func encode(_ views: ImageViews, progress: ((Int, Int) -> Void)?, _ ctx: Context) throws(RuntimeError) -> EncodedImage
}

extension VisionSystem {
  package var regionEncoder: (any RegionEncoder)? { nil }
  package var readingModes: [[UInt8]] { [] }
  package var doubt: Double? { nil }
  package func crowding(of image: ImageSize) -> Double { 0 }

  package func views(of image: ImageSize, tiles: Int) throws(ImageError) -> ViewsPlan {
    throw .badArgument(what: "tiles: the system of this model cuts images in one way only.")
  }

  package func views(of image: ImageSize, mode: [UInt8], tiles: Int?) throws(ImageError) -> ViewsPlan {
    throw .badArgument(what: "mode: the system of this model looks at images in one way only.")
  }
}
