// SPDX-License-Identifier: Apache-2.0
import Runtime

extension Bitmap {
  /// Sets the pixels whose centres lie inside a polygon (even-odd rule). Coordinates are finite and at most 2²⁴.
  func fill(polygon vertices: [Region.Vertex], _ stop: StopSignal) throws(RegionError) {
    let rows = vertices.indices.map { i in
      let (a, b) = (vertices[i], vertices[(i + 1) % vertices.count])
      // One extra row on each side; the test below is exact.
      return (first: max(Self.firstCentre(from: min(a.y, b.y)) - 1, 0), last: min(Self.firstCentre(from: max(a.y, b.y)) + 1, height - 1))
    }
    try scan(ActiveParts(rows), isInside: { $0 & 1 == 1 }, stop) { i, y, row in
      let (a, b) = (vertices[i], vertices[(i + 1) % vertices.count])
      let level = Double(y) + 0.5
      guard (a.y <= level) != (b.y <= level) else { return }
      // Each crossing toggles inside and outside for all pixels to its right.
      row.add(from: Self.firstCentre(from: a.x + (level - a.y) / (b.y - a.y) * (b.x - a.x)))
    }
  }

  /// Sets the pixels whose centres are within `radius` of the line through the vertices. Coordinates are finite and at most 2²⁴.
  func draw(_ vertices: [Region.Vertex], radius: Double, _ stop: StopSignal) throws(RegionError) {
    let rows = vertices.indices.map { i in
      let (a, b) = (vertices[max(i - 1, 0)], vertices[i])
      return (
        first: max(Self.firstCentre(from: min(a.y, b.y) - radius), 0),
        last: min(Int((max(a.y, b.y) + radius - 0.5).rounded(.down)), height - 1)
      )
    }
    try scan(ActiveParts(rows), isInside: { $0 > 0 }, stop) { i, y, row in
      guard let span = Self.span(vertices[max(i - 1, 0)], vertices[i], radius: radius, level: Double(y) + 0.5) else { return }
      row.add(Self.firstCentre(from: span.lowerBound), Int((span.upperBound - 0.5).rounded(.down)))
    }
  }

  /// Scan-line fill: each row costs only the parts that meet it, and each pixel is written once.
  private func scan(
    _ parts: ActiveParts, isInside: (Int32) -> Bool, _ stop: StopSignal, _ add: (_ part: Int, _ row: Int, inout RowCoverage) -> Void
  ) throws(RegionError) {
    guard let span = parts.span else { return }
    var parts = parts
    var coverage = RowCoverage(width: width)
    for y in span {
      try Self.check(stop)
      parts.advance(to: y)
      for part in parts.active { add(part, y, &coverage) }
      coverage.write(to: self, row: y, isInside)
    }
  }

  /// Index of the first pixel whose centre is at `x` or right of it.
  private static func firstCentre(from x: Double) -> Int { Int((x - 0.5).rounded(.up)) }

  /// The interval of the horizontal line at `level` within `radius` of the segment from `a` to `b`. That area (a disc at each end and the
  /// band between them) is convex, so it is one interval: the hull of the line's cuts with the three.
  private static func span(_ a: Region.Vertex, _ b: Region.Vertex, radius: Double, level: Double) -> ClosedRange<Double>? {
    var (low, high) = (Double.infinity, -Double.infinity)
    for end in [a, b] {
      let d = radius * radius - (level - end.y) * (level - end.y)
      guard d >= 0 else { continue }
      (low, high) = (min(low, end.x - d.squareRoot()), max(high, end.x + d.squareRoot()))
    }
    let (dx, dy) = (b.x - a.x, b.y - a.y)
    let length = (dx * dx + dy * dy).squareRoot()
    if length > 0, dy != 0 {
      // The band's two edges are the segment offset sideways by the radius.
      for side in [-1.0, 1.0] {
        let (x0, y0) = (a.x - side * radius * dy / length, a.y + side * radius * dx / length)
        let t = (level - y0) / dy
        guard t >= 0, t <= 1 else { continue }
        (low, high) = (min(low, x0 + t * dx), max(high, x0 + t * dx))
      }
    }
    return low <= high ? low...high : nil
  }
}
