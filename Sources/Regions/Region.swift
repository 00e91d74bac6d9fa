// SPDX-License-Identifier: Apache-2.0

/// A part of an image that a prompt refers to, in pixels of the original image. Checked when a `RegionArea` is made of it.
package struct Region {
  /// A point; (0, 0) is the upper left corner of the first pixel.
  package struct Vertex {
    package var x, y: Double

    package init(x: Double, y: Double) {
      self.x = x
      self.y = y
    }

    var isFinite: Bool { x.isFinite && y.isFinite }
  }

  package enum Shape {
    case point(Vertex)
    /// From the upper left to the lower right corner; the pixels of both belong to it.
    case box(Vertex, Vertex)
    /// The pixels whose centres lie inside, by the even-odd rule.
    case polygon([Vertex])
    /// The pixels whose centres are no further than `radius` from a line through the vertices.
    case scribble([Vertex], radius: Double)
    /// The pixels that are set; the bitmap has the image's size.
    case mask(Bitmap)
  }

  /// Sample points given by the caller instead of drawn, to reproduce a run of another implementation.
  package struct Start {
    /// As many as the sampler's first stage takes.
    package var points: [(x: Int, y: Int)]
    /// Index among the points of each stage at which its farthest-point sampling begins.
    package var first: (Int, Int)

    package init(points: [(x: Int, y: Int)], first: (Int, Int)) {
      self.points = points
      self.first = first
    }
  }

  package var shape: Shape
  /// Index of its image among the call's.
  package var image: Int
  /// 0: the sampler's points are spread evenly over the region. Else they are drawn at random from this seed, deterministically.
  package var seed: UInt64
  package var start: Start?

  package init(_ shape: Shape, image: Int = 0, seed: UInt64 = 0, start: Start? = nil) {
    self.shape = shape
    self.image = image
    self.seed = seed
    self.start = start
  }
}
