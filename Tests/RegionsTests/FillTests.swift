// SPDX-License-Identifier: Apache-2.0
import Regions
import Runtime
import TestSupport
import Testing

/// Areas against a fill that looks at every edge for every pixel row, as the definition has it.
@Suite struct FillTests {
  private typealias V = Region.Vertex

  private func firstCentre(_ x: Double) -> Int { Int((x - 0.5).rounded(.up)) }

  /// Pixels in column order, one sorted crossing list for each row.
  private func naive(polygon v: [V], _ width: Int, _ height: Int) -> [[Bool]] {
    var map = Array(repeating: Array(repeating: false, count: height), count: width)
    for y in 0..<height {
      let level = Double(y) + 0.5
      var crossings: [Double] = []
      for (i, a) in v.enumerated() {
        let b = v[(i + 1) % v.count]
        if (a.y <= level) != (b.y <= level) { crossings.append(a.x + (level - a.y) / (b.y - a.y) * (b.x - a.x)) }
      }
      crossings.sort()
      for i in stride(from: 0, to: crossings.count - 1, by: 2) {
        for x in max(firstCentre(crossings[i]), 0)..<max(min(firstCentre(crossings[i + 1]), width), max(firstCentre(crossings[i]), 0)) {
          map[x][y] = true
        }
      }
    }
    return map
  }

  /// Distance of each centre from the line.
  private func naive(scribble v: [V], _ radius: Double, _ width: Int, _ height: Int) -> [[Bool]] {
    var map = Array(repeating: Array(repeating: false, count: height), count: width)
    for x in 0..<width {
      for y in 0..<height {
        for i in v.indices {
          let (a, b) = (v[max(i - 1, 0)], v[i])
          let (dx, dy, px, py) = (b.x - a.x, b.y - a.y, Double(x) + 0.5 - a.x, Double(y) + 0.5 - a.y)
          let length = dx * dx + dy * dy
          let t = length > 0 ? min(max((px * dx + py * dy) / length, 0), 1) : 0
          let (ex, ey) = (px - t * dx, py - t * dy)
          if ex * ex + ey * ey <= radius * radius { map[x][y] = true }
        }
      }
    }
    return map
  }

  private func expect(_ shape: Region.Shape, is map: [[Bool]], _ words: String) throws {
    let (width, height) = (map.count, map[0].count)
    var pixels: [(Int, Int)] = []
    for x in 0..<width { for y in 0..<height where map[x][y] { pixels.append((x, y)) } }
    guard !pixels.isEmpty else {
      #expect(throws: RegionError.self, "\(words)") { try RegionArea(Region(shape), width: width, height: height, name: "r") }
      return
    }
    let area = try RegionArea(Region(shape), width: width, height: height, name: "r")
    #expect(area.count == pixels.count, "\(words)")
    // As many points as pixels: each of them once, in column order.
    let points = try area.samplePoints(Region(shape), stages: (pixels.count, 1), name: "r").places
    for (point, pixel) in zip(points, pixels) {
      #expect(point == .init(x: Float(pixel.0) / Float(width), y: Float(pixel.1) / Float(height)), "\(words)")
    }
  }

  @Test func randomPolygonsHoldThePixelsOfTheDefinition() throws {
    var numbers = Numbers(seed: 31)
    for round in 0..<120 {
      let (width, height) = (1 + Int(numbers.bits() % 40), 1 + Int(numbers.bits() % 40))
      let scale: Float = round % 3 == 0 ? 300 : 30
      var v = (0..<3 + Int(numbers.bits() % 12)).map { _ in V(x: 15 + Double(numbers.float(scale)), y: 15 + Double(numbers.float(scale))) }
      // Corners on centres and on borders of pixels, and level edges.
      if round % 4 == 0 { v = v.map { V(x: ($0.x * 2).rounded() / 2, y: ($0.y * 2).rounded() / 2) } }
      try expect(.polygon(v), is: naive(polygon: v, width, height), "polygon \(round)")
    }
  }

  @Test func randomScribblesHoldThePixelsOfTheDefinition() throws {
    var numbers = Numbers(seed: 32)
    for round in 0..<60 {
      let (width, height) = (1 + Int(numbers.bits() % 40), 1 + Int(numbers.bits() % 40))
      let v = (0..<1 + Int(numbers.bits() % 8)).map { _ in V(x: 15 + Double(numbers.float(40)), y: 15 + Double(numbers.float(40))) }
      let radius = 0.3 + Double(abs(numbers.float(6)))
      try expect(.scribble(v, radius: radius), is: naive(scribble: v, radius, width, height), "scribble \(round)")
    }
  }

  /// 16 000 vertices over a large image took more than 20 s, and no deadline was looked at.
  @Test func aLongScribbleIsFilledOnceAndCanBeStopped() throws {
    var numbers = Numbers(seed: 33)
    let v = (0..<16_000).map { _ in V(x: Double(numbers.bits() % 3000), y: Double(numbers.bits() % 3000)) }
    for shape in [Region.Shape.scribble(v, radius: 40), .polygon(v), .scribble(v.map { V(x: $0.x * 4000, y: $0.y * 4000) }, radius: 1e6)] {
      let stop = StopSignal()
      let start = StopSignal.now
      stop.stop(after: 0.01)
      let error = #expect(throws: RegionError.self) { try RegionArea(Region(shape), width: 3000, height: 3000, name: "r", stop: stop) }
      #expect(error?.description.contains("deadline") == true)
      #expect(StopSignal.now - start < 500_000_000)  // 50 ms and what a busy machine adds
    }
  }
}
