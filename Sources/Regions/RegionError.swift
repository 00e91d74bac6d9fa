// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Errors of a region, or of the marks that stand for regions in a prompt. `region` is the name of the caller's argument.
package enum RegionError: Error {
  case notFinite(region: String)
  case tooLarge(region: String)
  case pointOutside(region: String, Region.Vertex, width: Int, height: Int)
  /// The second corner is left of or above the first.
  case emptyBox(region: String, Region.Vertex, Region.Vertex)
  case boxOutside(region: String, Region.Vertex, Region.Vertex, width: Int, height: Int)
  case vertexCount(region: String, found: Int, allowed: ClosedRange<Int>)
  case radius(region: String, found: Double)
  /// A free form without any pixel centre inside.
  case noPixel(region: String, width: Int, height: Int)
  case maskSize(region: String, width: Int, height: Int, imageWidth: Int, imageHeight: Int)
  case emptyMask(region: String)
  case startCount(region: String, found: Int, expected: Int)
  case startOutside(region: String, x: Int, y: Int, width: Int, height: Int)
  case startIndices(region: String, found: (Int, Int), limits: (Int, Int))
  case outOfMemory(width: Int, height: Int)
  case markCount(marks: Int, regions: Int)
  /// Cancelled, or past the deadline.
  case stopped(RuntimeError)

  package var description: String {
    switch self {
    case .notFinite(let region): "\(region): a coordinate is not a finite number"
    case .tooLarge(let region): "\(region): a coordinate is too large"
    case .pointOutside(let region, let p, let width, let height):
      "\(region): the point (\(p.x), \(p.y)) lies outside the image of \(width) × \(height)"
    case .emptyBox(let region, let a, let b):
      "\(region): the box (\(a.x), \(a.y), \(b.x), \(b.y)) is empty: its second corner should be right of and below its first"
    case .boxOutside(let region, let a, let b, let width, let height):
      "\(region): the box (\(a.x), \(a.y), \(b.x), \(b.y)) lies outside the image of \(width) × \(height)"
    case .vertexCount(let region, let found, let allowed):
      "\(region): has \(found) vertices, should have \(allowed.lowerBound) to \(allowed.upperBound)"
    case .radius(let region, let found): "\(region): the scribble's radius is \(found), should be above 0"
    case .noPixel(let region, let width, let height):
      "\(region): no pixel of the image of \(width) × \(height) lies in it: it is empty or outside"
    case .maskSize(let region, let width, let height, let imageWidth, let imageHeight):
      "\(region): the mask has \(width) × \(height) pixels, the image \(imageWidth) × \(imageHeight)"
    case .emptyMask(let region): "\(region): the mask is empty"
    case .startCount(let region, let found, let expected):
      "\(region): \(found) points were given, the sampler begins with \(expected)"
    case .startOutside(let region, let x, let y, let width, let height):
      "\(region): its point (\(x), \(y)) lies outside the image of \(width) × \(height)"
    case .startIndices(let region, let found, let limits):
      "\(region): its starts (\(found.0), \(found.1)) should be below \(limits.0) and \(limits.1) and not negative"
    case .outOfMemory(let width, let height): "no memory for a mask of \(width) × \(height)"
    case .markCount(let marks, let regions): "prompt: \(marks) <region> marks, but \(regions) regions were given"
    case .stopped(let error): error.description
    }
  }
}
