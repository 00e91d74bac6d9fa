// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A region as pixels of its image: checked, clipped to the image, and never empty.
package struct RegionArea {
  /// Size of the image.
  package let width, height: Int
  /// The coordinates written in the prompt: the point, or the corners of the bounding box (whole pixels for free forms).
  package let corners: [Region.Vertex]
  /// Bounding box of the pixels, inclusive.
  let columns, rows: ClosedRange<Int>
  /// The pixels within it; `nil`: all of them.
  let bitmap: Bitmap?
  /// Number of pixels.
  package let count: Int

  /// A point becomes a square of pixels: half its side.
  static let pointReach = 5
  /// Most vertices of a polygon or scribble.
  package static let mostVertices = 1 << 14
  /// Largest coordinate and radius of a polygon or scribble.
  private static let farthest = 0x1p24

  /// - Parameters:
  ///   - name: the region's name in errors.
  ///   - stop: checked in every row that is filled.
  package init(
    _ region: Region, width: Int, height: Int, name: String, stop: StopSignal = StopSignal()
  ) throws(RegionError) {
    switch region.shape {
    case .point(let p): try self.init(point: p, width: width, height: height, name)
    case .box(let a, let b): try self.init(box: a, b, width: width, height: height, name)
    case .polygon(let vertices):
      try Self.check(vertices, least: 3, name)
      let map = try Bitmap(width: width, height: height)
      try map.fill(polygon: vertices, stop)
      try self.init(map, stop) { .noPixel(region: name, width: width, height: height) }
    case .scribble(let vertices, let radius):
      try Self.check(vertices, least: 1, name)
      guard radius.isFinite else { throw .notFinite(region: name) }
      guard radius > 0 else { throw .radius(region: name, found: radius) }
      guard radius <= Self.farthest else { throw .tooLarge(region: name) }
      let map = try Bitmap(width: width, height: height)
      try map.draw(vertices, radius: radius, stop)
      try self.init(map, stop) { .noPixel(region: name, width: width, height: height) }
    case .mask(let map):
      guard map.width == width, map.height == height else {
        throw .maskSize(region: name, width: map.width, height: map.height, imageWidth: width, imageHeight: height)
      }
      try self.init(map, stop) { .emptyMask(region: name) }
    }
  }

  /// A point becomes the square of pixels around it.
  private init(point p: Region.Vertex, width: Int, height: Int, _ name: String) throws(RegionError) {
    guard p.isFinite else { throw .notFinite(region: name) }
    guard p.x >= 0, p.y >= 0, p.x < Double(width), p.y < Double(height) else {
      throw .pointOutside(region: name, p, width: width, height: height)
    }
    let (x, y) = (Int(p.x), Int(p.y))
    corners = [p]
    columns = max(0, x - Self.pointReach)...min(width - 1, x + Self.pointReach)
    rows = max(0, y - Self.pointReach)...min(height - 1, y + Self.pointReach)
    bitmap = nil
    count = columns.count * rows.count
    (self.width, self.height) = (width, height)
  }

  private init(box a: Region.Vertex, _ b: Region.Vertex, width: Int, height: Int, _ name: String) throws(RegionError) {
    let (w, h) = (Double(width), Double(height))
    guard a.isFinite, b.isFinite else { throw .notFinite(region: name) }
    guard a.x <= b.x, a.y <= b.y else { throw .emptyBox(region: name, a, b) }
    guard b.x >= 0, b.y >= 0, a.x < w, a.y < h else { throw .boxOutside(region: name, a, b, width: width, height: height) }
    corners = [a, b].map { Region.Vertex(x: min(max($0.x, 0), w - 1), y: min(max($0.y, 0), h - 1)) }
    columns = Int(corners[0].x)...Int(corners[1].x)
    rows = Int(corners[0].y)...Int(corners[1].y)
    bitmap = nil
    count = columns.count * rows.count
    (self.width, self.height) = (width, height)
  }

  /// The set pixels of a bitmap.
  private init(_ map: Bitmap, _ stop: StopSignal, ifEmpty: () -> RegionError) throws(RegionError) {
    guard let extent = try map.extent(stop) else { throw ifEmpty() }
    (columns, rows, count, bitmap) = (extent.columns, extent.rows, extent.count, map)
    corners = [
      .init(x: Double(columns.lowerBound), y: Double(rows.lowerBound)), .init(x: Double(columns.upperBound), y: Double(rows.upperBound)),
    ]
    (width, height) = (map.width, map.height)
  }

  private static func check(_ vertices: [Region.Vertex], least: Int, _ name: String) throws(RegionError) {
    guard vertices.count >= least, vertices.count <= mostVertices else {
      throw .vertexCount(region: name, found: vertices.count, allowed: least...mostVertices)
    }
    guard vertices.allSatisfy({ $0.isFinite }) else { throw .notFinite(region: name) }
    guard vertices.allSatisfy({ abs($0.x) <= farthest && abs($0.y) <= farthest }) else { throw .tooLarge(region: name) }
  }

  /// The pixels at ascending positions `order` of all of them, counted by x, then y.
  func pixels(at order: [Int], _ stop: StopSignal) throws(RegionError) -> [(x: Int, y: Int)] {
    guard let bitmap else {
      return order.map { (columns.lowerBound + $0 / rows.count, rows.lowerBound + $0 % rows.count) }
    }
    var found: [(x: Int, y: Int)] = []
    var seen = 0
    for x in columns {
      if x & 15 == 0 { try Bitmap.check(stop) }
      let column = bitmap.column(x)
      for y in rows where column[y] != 0 {
        while found.count < order.count, order[found.count] == seen { found.append((x, y)) }
        if found.count == order.count { return found }
        seen += 1
      }
    }
    return found
  }
}
