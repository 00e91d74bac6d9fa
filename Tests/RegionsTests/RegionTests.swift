// SPDX-License-Identifier: Apache-2.0
import Regions
import TestSupport
import Testing

@Suite struct RegionTests {
  private func area(_ shape: Region.Shape, _ width: Int = 100, _ height: Int = 80) throws(RegionError) -> RegionArea {
    try RegionArea(Region(shape), width: width, height: height, name: "regions[3]")
  }

  private func text(_ shape: Region.Shape, _ width: Int = 100, _ height: Int = 80, _ form: CoordinateForm = .ferret) throws -> String {
    String(decoding: form.text(try area(shape, width, height)), as: UTF8.self)
  }

  private func box(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> Region.Shape {
    .box(.init(x: x1, y: y1), .init(x: x2, y: y2))
  }

  private func bitmap(_ width: Int, _ height: Int, _ set: [(Int, Int)]) throws -> Bitmap {
    var bytes = [UInt8](repeating: 0, count: width * height)
    for (x, y) in set { bytes[y * width + x] = 200 }
    return try Bitmap(rows: bytes, width: width, height: height, stride: width)
  }

  @Test func coordinatesAreThousandthsRoundedDown() throws {
    #expect(try text(.point(.init(x: 50, y: 79))) == "[500, 987]")
    #expect(try text(box(10, 8, 99, 79)) == "[100, 100, 990, 987]")
    #expect(try text(box(10, 8, 99, 79), 100, 80, .qwen) == "<box>(100,100),(990,987)</box>")
    // Corners beyond the image are cut at its last pixel.
    #expect(try text(box(-20, -3, 300, 80)) == "[0, 0, 990, 987]")
    #expect(try text(.mask(try bitmap(100, 80, [(30, 20), (31, 40), (60, 22)]))) == "[300, 250, 600, 500]")
  }

  @Test func aPointIsASquareOfPixelsAroundIt() throws {
    #expect(try area(.point(.init(x: 50.9, y: 40))).count == 121)
    #expect(try area(.point(.init(x: 0, y: 0))).count == 36)
    #expect(try area(.point(.init(x: 99, y: 40))).count == 66)
  }

  @Test func aBoxHoldsThePixelsOfBothCorners() throws {
    #expect(try area(box(10, 20, 12, 23)).count == 12)
    #expect(try area(box(10.7, 20.2, 10.9, 20.9)).count == 1)
    #expect(try area(box(-5, -5, 4, 4)).count == 25)
  }

  @Test func aPolygonHoldsThePixelsWhoseCentresItHolds() throws {
    let square = [(10.0, 10.0), (20.0, 10.0), (20.0, 20.0), (10.0, 20.0)].map { Region.Vertex(x: $0.0, y: $0.1) }
    #expect(try area(.polygon(square)).count == 100)
    // Its long side passes just beyond the centres on the diagonal: 10 + 9 + … + 1.
    let triangle = [(10.0, 10.0), (20.2, 10.0), (10.0, 20.2)].map { Region.Vertex(x: $0.0, y: $0.1) }
    #expect(try area(.polygon(triangle)).count == 55)
    // Traced twice, every place is inside twice: even, so outside.
    #expect(throws: RegionError.self) { try area(.polygon(square + square)) }
  }

  @Test func aScribbleHoldsThePixelsAlongItsLine() throws {
    let line = [Region.Vertex(x: 20.5, y: 40.5), Region.Vertex(x: 60.5, y: 40.5)]
    let thin = try area(.scribble(line, radius: 0.4))
    #expect(thin.count == 41)
    // Every pixel is found by the definition: its centre's distance to the segment.
    let bent = [Region.Vertex(x: 12, y: 9), Region.Vertex(x: 70, y: 33), Region.Vertex(x: 66, y: 70)]
    var expected = 0
    for y in 0..<80 {
      for x in 0..<100 where distance(Double(x) + 0.5, Double(y) + 0.5, bent) <= 4.3 { expected += 1 }
    }
    #expect(try area(.scribble(bent, radius: 4.3)).count == expected)
  }

  private func distance(_ x: Double, _ y: Double, _ line: [Region.Vertex]) -> Double {
    zip(line, line.dropFirst()).map { a, b in
      let (dx, dy) = (b.x - a.x, b.y - a.y)
      let t = min(max(((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy), 0), 1)
      let (ex, ey) = (x - a.x - t * dx, y - a.y - t * dy)
      return (ex * ex + ey * ey).squareRoot()
    }.min() ?? .infinity
  }

  @Test func aRegionWithoutPixelsIsNamed() throws {
    let cases: [(Region.Shape, String)] = [
      (.point(.init(x: 100, y: 5)), "outside the image of 100 × 80"),
      (.point(.init(x: -0.5, y: 5)), "outside"), (.point(.init(x: .nan, y: 5)), "not a finite number"),
      (.box(.init(x: 0, y: 0), .init(x: .infinity, y: 5)), "not a finite number"),
      (.box(.init(x: 20, y: 10), .init(x: 10, y: 20)), "is empty"),
      (.box(.init(x: 200, y: 10), .init(x: 210, y: 20)), "outside"), (.box(.init(x: -9, y: -9), .init(x: -1, y: -1)), "outside"),
      (.polygon([.init(x: 1, y: 1), .init(x: 9, y: 9)]), "2 vertices"),
      (.polygon([.init(x: 1, y: 1), .init(x: 9, y: .nan), .init(x: 3, y: 3)]), "not a finite number"),
      (.polygon([.init(x: 200, y: 200), .init(x: 300, y: 200), .init(x: 200, y: 300)]), "no pixel"),
      (.polygon([.init(x: 1, y: 1), .init(x: 1e300, y: 9), .init(x: 3, y: 3)]), "too large"),
      (.scribble([.init(x: 5, y: 5)], radius: 0), "radius"), (.scribble([], radius: 3), "0 vertices"),
      (.scribble([.init(x: 5, y: 5)], radius: .infinity), "not a finite number"),
      (.scribble([.init(x: -50, y: 5)], radius: 3), "no pixel"),
    ]
    for (shape, words) in cases {
      let error = #expect(throws: RegionError.self) { try area(shape) }
      #expect(error?.description.contains("regions[3]") == true && error?.description.contains(words) == true, "\(error?.description ?? "")")
    }
  }

  @Test func aMaskMustBeOfTheImagesSizeAndNotEmpty() throws {
    let empty = #expect(throws: RegionError.self) { try area(.mask(try bitmap(100, 80, []))) }
    #expect(empty?.description.contains("the mask is empty") == true)
    let small = #expect(throws: RegionError.self) { try area(.mask(try bitmap(50, 80, [(1, 1)]))) }
    #expect(small?.description.contains("50 × 80") == true)
  }

  @Test func samplePointsAreSpreadEvenlyInColumnOrder() throws {
    let region = Region(box(10, 20, 49, 59))
    let points = try RegionArea(region, width: 100, height: 80, name: "r").samplePoints(region, stages: (512, 128), name: "r")
    #expect(points.places.count == 512 && points.first == (0, 0))
    #expect(points.places[0] == .init(x: 0.1, y: 0.25))
    // 1600 pixels: every 3.125th, counted down the columns.
    #expect(points.places[1] == .init(x: 0.1, y: 23 / 80.0))
    #expect(points.places[511].x == 0.49)
    let keys = points.places.map { $0.x * 1000 + $0.y }
    #expect(keys == keys.sorted() && Set(keys).count == 512)
  }

  @Test func fewPixelsAreRepeatedAndManyDrawnOnce() throws {
    let mask = try bitmap(100, 80, [(3, 5), (3, 6), (7, 1)])
    let few = try RegionArea(Region(.mask(mask)), width: 100, height: 80, name: "r")
    let points = try few.samplePoints(Region(.mask(mask)), stages: (512, 128), name: "r").places
    #expect(points.prefix(4) == [.init(x: 0.03, y: 0.0625), .init(x: 0.03, y: 0.075), .init(x: 0.07, y: 0.0125), .init(x: 0.03, y: 0.0625)])

    let seeded = Region(box(0, 0, 99, 79), seed: 9)
    let many = try RegionArea(seeded, width: 100, height: 80, name: "r")
    let a = try many.samplePoints(seeded, stages: (512, 128), name: "r")
    let b = try many.samplePoints(seeded, stages: (512, 128), name: "r")
    #expect(a.places == b.places && a.first == b.first)
    #expect(Set(a.places.map { $0.x * 1000 + $0.y }).count == 512)
    #expect(try many.samplePoints(Region(box(0, 0, 99, 79), seed: 10), stages: (512, 128), name: "r").places != a.places)
  }

  @Test func givenPointsAreCheckedAndUsed() throws {
    func points(_ start: Region.Start) throws(RegionError) -> RegionPoints {
      let region = Region(.point(.init(x: 5, y: 5)), start: start)
      return try RegionArea(region, width: 100, height: 80, name: "r").samplePoints(region, stages: (512, 128), name: "r")
    }
    let good = (0..<512).map { (x: $0 % 100, y: $0 % 80) }
    let used = try points(.init(points: good, first: (511, 127)))
    #expect(used.first == (511, 127) && used.places[101] == .init(x: 0.01, y: 21 / 80.0))
    for (bad, words) in [
      (Region.Start(points: Array(good.dropLast()), first: (0, 0)), "511 points"),
      (.init(points: [(100, 0)] + good.dropFirst(), first: (0, 0)), "outside the image"),
      (.init(points: good, first: (512, 0)), "starts"), (.init(points: good, first: (0, -1)), "starts"),
    ] {
      let error = #expect(throws: RegionError.self) { try points(bad) }
      #expect(error?.description.contains(words) == true)
    }
  }

  /// The place that an answer names, given back as a region, has the answer's numbers.
  @Test func numbersComeBackForAThousandSizes() {
    for side in 1...1000 {
      for number in 0...999 {
        let place = CoordinateForm.ferret.pixels(Double(number), of: side)
        if CoordinateForm.thousandths(place, of: side) != number { Issue.record("\(number) of \(side)") }
      }
    }
  }

  @Test func pixelsComeBackWithinOneStepForFiveHundredSizes() {
    var numbers = Numbers(seed: 11)
    for _ in 0..<500 {
      let side = 1 + Int(truncatingIfNeeded: numbers.bits() % 5000)
      let place = Double(numbers.bits() % UInt32(side))
      let back = CoordinateForm.qwen.pixels(Double(CoordinateForm.thousandths(place, of: side)), of: side)
      #expect(back <= place && place - back < Double(side) / 1000, "side \(side), place \(place)")
    }
  }
}
