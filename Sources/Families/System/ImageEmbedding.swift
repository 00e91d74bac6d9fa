// SPDX-License-Identifier: Apache-2.0
import Encoders
import Images
import Runtime
import Shims
import WeightFile

/// A rectangle in pixels of the original image; its edges may lie outside the image where a view is padded.
package struct PixelRectangle: Equatable {
  package var x, y, width, height: Double

  package init(x: Double, y: Double, width: Double, height: Double) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// The whole image.
  init(_ image: ImageSize) {
    self.init(x: 0, y: 0, width: Double(image.width), height: Double(image.height))
  }

  /// One cell of a grid over this rectangle, numbered row by row.
  func cell(_ i: Int, rows: Int, columns: Int) -> PixelRectangle {
    let (w, h) = (width / Double(columns), height / Double(rows))
    return PixelRectangle(x: x + w * Double(i % columns), y: y + h * Double(i / columns), width: w, height: h)
  }

  /// The rectangle that a canvas covers, in pixels of the image placed on it: larger than the image where the canvas has margins.
  init(canvas f: CanvasFit, of image: ImageSize) {
    let (scaleX, scaleY) = (Double(image.width) / Double(f.width), Double(image.height) / Double(f.height))
    x = -Double(f.x) * scaleX
    y = -Double(f.y) * scaleY
    width = Double(f.canvasWidth) * scaleX
    height = Double(f.canvasHeight) * scaleY
  }
}

/// One view that an image was encoded as: its area in the original image, and its tokens.
package struct ViewPlan: Equatable {
  /// Row and column among the slices; −1 for a view of the whole image.
  package var row, column: Int
  package var area: PixelRectangle
  /// First token of the view in the embedding, and how many there are (separators not counted).
  package var firstToken, tokens: Int

  package init(row: Int, column: Int, area: PixelRectangle, firstToken: Int, tokens: Int) {
    self.row = row
    self.column = column
    self.area = area
    self.firstToken = firstToken
    self.tokens = tokens
  }
}

/// An encoded image: the vectors that replace one `<image>` mark in the decoder's input, start, end and separator vectors
/// included. Immutable; any number of sessions and threads of the same model may use it.
package final class ImageEmbedding {
  /// Rows, and floats per row.
  package let tokens, hiddenSize: Int
  /// `[tokens, hiddenSize]`, owned by this object.
  package let data: UnsafePointer<Float>
  /// Size of the original image in pixels.
  package let width, height: Int
  package let views: [ViewPlan]
  /// Hash of the vectors; for one model, equal hashes mean equal vectors.
  package let identity: UInt64
  /// The feature map that regions are encoded from, owned by this object.
  package let map: FeatureMap?
  /// Its share of a memory budget, held for its lifetime; set by its creator.
  package var holding: MemoryHolding?
  /// Its bytes in the model's counter of images; set by its creator.
  package var counted: CountedMemory?
  private let memory: MemoryBlock
  private let mapMemory: MemoryBlock?

  /// Copies `tokens` and `map` out of their arena.
  /// - Parameter host: where the memory comes from; nil: the system.
  package init(
    copying tokens: Tensor, map: FeatureMap? = nil, width: Int, height: Int, views: [ViewPlan], host: HostMemory? = nil
  ) throws(RuntimeError) {
    memory = try Self.copy(tokens, host)
    mapMemory = if let map { try Self.copy(map.values, host) } else { nil }
    self.map = mapMemory.flatMap { copy in
      map.map {
        let values = Tensor(
          data: copy.base.assumingMemoryBound(to: Float.self), rows: $0.values.rows, columns: $0.values.columns)
        return FeatureMap(values, height: $0.height, width: $0.width)
      }
    }
    data = UnsafePointer(memory.base.assumingMemoryBound(to: Float.self))
    self.tokens = tokens.rows
    hiddenSize = tokens.columns
    self.width = width
    self.height = height
    self.views = views
    identity = xxh64(memory.base, tokens.count * MemoryLayout<Float>.stride)
  }

  /// Bytes of the vectors and the map.
  package var heldBytes: Int { (tokens * hiddenSize + (map?.values.count ?? 0)) * MemoryLayout<Float>.stride }

  private static func copy(_ x: Tensor, _ host: HostMemory?) throws(RuntimeError) -> MemoryBlock {
    let byteCount = x.count * MemoryLayout<Float>.stride
    let block = try MemoryBlock(byteCount, .scratch, host: host)
    memcpy(block.base, x.data, byteCount)
    return block
  }
}
