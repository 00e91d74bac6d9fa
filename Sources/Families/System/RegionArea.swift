// SPDX-License-Identifier: Apache-2.0

/// A region as pixels of its image: checked, clipped to the image, and never empty.
package struct RegionArea {
  /// Size of the image.
  package let width, height: Int
  /// What the coordinate text names: the point, or the corners of the tight box (whole pixels for free forms).
  package let corners: [Region.Vertex]
  /// The rectangle that holds all pixels; both ends belong to it.
  let columns, rows: ClosedRange<Int>
  /// The pixels within it; `nil`: all of them.
  let bitmap: Bitmap?
  /// How many there are.
  package let count: Int

  /// Half the side of the square of pixels that a point stands for.
  static let pointReach = 5
  /// Most vertices of a polygon or scribble.
  package static let mostVertices = 1 << 14

  /// - Parameter name: what errors call the region.
  package init(_ region: Region, width: Int, height: Int, name: String) throws(FoveaError) {
    self.width = width
    self.height = height
    let (w, h) = (Double(width), Double(height))
    func fail(_ what: String) -> FoveaError { FoveaError(.argument, "\(name): \(what)") }
    func isFinite(_ v: [Region.Vertex]) -> Bool { v.allSatisfy { $0.x.isFinite && $0.y.isFinite } }

    switch region.shape {
    case .point(let p):
      guard isFinite([p]) else { throw fail("a coordinate is not a finite number") }
      guard p.x >= 0, p.y >= 0, p.x < w, p.y < h else {
        throw fail("the point (\(p.x), \(p.y)) lies outside the image of \(width) × \(height)")
      }
      let (x, y) = (Int(p.x), Int(p.y))
      corners = [p]
      columns = max(0, x - Self.pointReach)...min(width - 1, x + Self.pointReach)
      rows = max(0, y - Self.pointReach)...min(height - 1, y + Self.pointReach)
      bitmap = nil

    case .box(let a, let b):
      guard isFinite([a, b]) else { throw fail("a coordinate is not a finite number") }
      guard a.x <= b.x, a.y <= b.y else {
        throw fail("the box (\(a.x), \(a.y), \(b.x), \(b.y)) is empty: its second corner should be right of and below its first")
      }
      guard b.x >= 0, b.y >= 0, a.x < w, a.y < h else {
        throw fail("the box (\(a.x), \(a.y), \(b.x), \(b.y)) lies outside the image of \(width) × \(height)")
      }
      corners = [a, b].map { Region.Vertex(x: min(max($0.x, 0), w - 1), y: min(max($0.y, 0), h - 1)) }
      columns = Int(corners[0].x)...Int(corners[1].x)
      rows = Int(corners[0].y)...Int(corners[1].y)
      bitmap = nil

    case .polygon(let vertices), .scribble(let vertices, _):
      var radius: Double?
      if case .scribble(_, let r) = region.shape { radius = r }
      let least = radius == nil ? 3 : 1
      guard vertices.count >= least, vertices.count <= Self.mostVertices else {
        throw fail("has \(vertices.count) vertices, should have \(least) to \(Self.mostVertices)")
      }
      guard isFinite(vertices), radius?.isFinite ?? true else { throw fail("a coordinate is not a finite number") }
      guard radius ?? 1 > 0 else { throw fail("the scribble's radius is \(radius ?? 0), should be above 0") }
      guard vertices.allSatisfy({ abs($0.x) <= 0x1p24 && abs($0.y) <= 0x1p24 }), radius ?? 0 <= 0x1p24 else {
        throw fail("a coordinate is too large")
      }
      guard let map = Bitmap(width: width, height: height) else { throw Self.noMemory(width, height) }
      if let radius { map.draw(vertices, radius: radius) } else { map.fill(vertices) }
      guard let box = map.tightBox() else {
        throw fail("no pixel of the image of \(width) × \(height) lies in it: it is empty or outside")
      }
      (columns, rows, bitmap) = (box.columns, box.rows, map)
      corners = Self.corners(box)

    case .mask(let map):
      guard map.width == width, map.height == height else {
        throw fail("the mask has \(map.width) × \(map.height) pixels, the image \(width) × \(height)")
      }
      guard let box = map.tightBox() else { throw fail("the mask is empty") }
      (columns, rows, bitmap) = (box.columns, box.rows, map)
      corners = Self.corners(box)
    }

    guard let bitmap else {
      count = columns.count * rows.count
      return
    }
    var count = 0
    for x in columns {
      let column = bitmap.column(x)
      for y in rows { count += Int(column[y]) }
    }
    self.count = count
  }

  static func noMemory(_ width: Int, _ height: Int) -> FoveaError {
    FoveaError(.memory, "no memory for a mask of \(width) × \(height)")
  }

  private static func corners(_ box: (columns: ClosedRange<Int>, rows: ClosedRange<Int>)) -> [Region.Vertex] {
    [
      .init(x: Double(box.columns.lowerBound), y: Double(box.rows.lowerBound)),
      .init(x: Double(box.columns.upperBound), y: Double(box.rows.upperBound)),
    ]
  }

  /// The pixels at ascending positions `order` of all of them, counted by x, then y.
  func pixels(at order: [Int]) -> [(x: Int, y: Int)] {
    guard let bitmap else {
      return order.map { (columns.lowerBound + $0 / rows.count, rows.lowerBound + $0 % rows.count) }
    }
    var found: [(x: Int, y: Int)] = []
    var seen = 0
    for x in columns {
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

extension Bitmap {
  /// The smallest rectangle that holds every set pixel.
  func tightBox() -> (columns: ClosedRange<Int>, rows: ClosedRange<Int>)? {
    var (left, right, top, bottom) = (width, -1, height, -1)
    for x in 0..<width {
      let column = column(x)
      for y in 0..<height where column[y] != 0 {
        (left, right) = (min(left, x), x)
        (top, bottom) = (min(top, y), max(bottom, y))
      }
    }
    return right < 0 ? nil : (left...right, top...bottom)
  }

  /// Sets the pixels whose centres a polygon holds (even-odd rule).
  func fill(_ vertices: [Region.Vertex]) {
    var crossings: [Double] = []
    for y in 0..<height {
      let level = Double(y) + 0.5
      crossings.removeAll(keepingCapacity: true)
      for (i, a) in vertices.enumerated() {
        let b = vertices[(i + 1) % vertices.count]
        guard (a.y <= level) != (b.y <= level) else { continue }
        crossings.append(a.x + (level - a.y) / (b.y - a.y) * (b.x - a.x))
      }
      crossings.sort()
      for i in stride(from: 0, to: crossings.count - 1, by: 2) {
        fill(row: y, Self.firstCentre(from: crossings[i]), Self.firstCentre(from: crossings[i + 1]) - 1)
      }
    }
  }

  /// Sets the pixels whose centres are within `radius` of the line through the vertices.
  func draw(_ vertices: [Region.Vertex], radius: Double) {
    for (i, b) in vertices.enumerated() {
      let a = vertices[max(i - 1, 0)]
      let top = max(Self.firstCentre(from: min(a.y, b.y) - radius), 0)
      let bottom = min(Int((max(a.y, b.y) + radius - 0.5).rounded(.down)), height - 1)
      for y in stride(from: top, through: bottom, by: 1) {
        guard let span = Self.span(a, b, radius: radius, level: Double(y) + 0.5) else { continue }
        fill(row: y, Self.firstCentre(from: span.lowerBound), Int((span.upperBound - 0.5).rounded(.down)))
      }
    }
  }

  /// Index of the first pixel whose centre is at `x` or right of it.
  private static func firstCentre(from x: Double) -> Int { Int((x - 0.5).rounded(.up)) }

  /// Where the horizontal line at `level` lies within `radius` of the segment from `a` to `b`: the hull of the cuts with the two
  /// discs at its ends and the band between them, which is convex, so one interval.
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
      // The band's two edges are the segment moved sideways by the radius.
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
