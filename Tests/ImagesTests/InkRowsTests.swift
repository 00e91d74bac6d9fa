// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

/// Pages of grey ground with "lines of text": rows of strokes, some pixels wide.
@Suite struct InkRowsTests {
  private struct Page {
    let image: RGBImage
    let (width, height): (Int, Int)
    private var random = SeededGenerator(state: 0x1A2B)

    init(_ width: Int, _ height: Int, noise: Int = 0) throws {
      (self.width, self.height) = (width, height)
      image = try RGBImage(unwrittenWidth: width, height: height)
      for i in 0..<3 * width * height { image.pixels[i] = UInt8(200 + (noise == 0 ? 0 : Int.random(in: -noise...noise, using: &random))) }
    }

    func fill(x: Range<Int>, y: Range<Int>, _ grey: UInt8 = 20) {
      for row in y { for column in x { for k in 0..<3 { image.pixels[row * image.stride + 3 * column + k] = grey } } }
    }

    func line(x: Range<Int>, y: Range<Int>) {
      for column in stride(from: x.lowerBound, to: x.upperBound - 3, by: 7) { fill(x: column..<column + 3, y: y) }
    }

    var ink: InkRows { get throws { try PixelRows(image).inkRows() } }
  }

  @Test func cutsLieBetweenLinesAndNearTheMiddle() throws {
    let page = try Page(200, 300)
    for y in [20, 60, 100, 140, 180, 220, 260] { page.line(x: 30..<170, y: y..<y + 20) }
    let ink = try page.ink
    let cut = try #require(ink.cuts(0..<300, parts: 2).first)
    #expect((120..<140).contains(cut) || (160..<180).contains(cut))
    let (columns, rows) = try #require(ink.content(0..<cut))
    #expect(rows == 12..<min(cut, (cut < 150 ? 120 : 160) + 8))
    // The first stroke begins at 30, the last one ends at 30 + 7 · 19 + 3.
    #expect(columns.lowerBound == 21 && (170...176).contains(columns.upperBound))
    // Of one line there is nothing to cut, of nothing no content.
    #expect(ink.cuts(0..<45, parts: 2) == [])
    #expect(ink.content(282..<300) == nil && ink.content(0..<15) == nil)
  }

  @Test func manyPartsAreOfLikeHeights() throws {
    let page = try Page(200, 1000)
    for i in 0..<24 { page.line(x: 30..<170, y: 20 + 40 * i..<40 + 40 * i) }
    #expect(try page.ink.cuts(0..<1000, parts: 4) == [250, 490, 730] || page.ink.cuts(0..<1000, parts: 4) == [250, 490, 730].map { $0 + 20 })
    // Each gap is cut once, however many parts are asked for.
    let all = try page.ink.cuts(0..<1000, parts: 100)
    #expect(all == (1..<24).map { 10 + 40 * $0 + 0 })
    #expect(try page.ink.cuts(0..<1000, parts: 1) == [])
  }

  @Test func wideGapsAreLiked() throws {
    let page = try Page(200, 300)
    for y in [20, 50, 80, 110, 140, 210, 240] { page.line(x: 30..<170, y: y..<y + 20) }
    #expect(try page.ink.cuts(0..<300, parts: 2) == [185])
  }

  @Test func framesAndRulesJoinNoLines() throws {
    let page = try Page(200, 300)
    page.fill(x: 10..<13, y: 5..<295)
    page.fill(x: 190..<191, y: 5..<295, 90)
    for y in [20, 140, 260] { page.line(x: 30..<170, y: y..<y + 20) }
    let cut = try #require(try page.ink.cuts(0..<300, parts: 2).first)
    #expect((40..<140).contains(cut) || (160..<260).contains(cut))
  }

  @Test func noiseIsNoInk() throws {
    let page = try Page(200, 300, noise: 9)
    for y in [40, 200] { page.line(x: 30..<170, y: y..<y + 20) }
    #expect((60..<200).contains(try #require(try page.ink.cuts(0..<300, parts: 2).first)))
    #expect(try Page(50, 50, noise: 9).ink.content(0..<50) == nil)
  }

  @Test func turnedPicturesAreReadUpright() throws {
    let page = try Page(120, 200)
    for y in [20, 90, 160] { page.line(x: 20..<100, y: y..<y + 20) }
    let upright = try page.ink
    for exif in 1...8 {
      let turn = Orientation(exif: exif)
      let (w, h) = turn.swapsSides ? (200, 120) : (120, 200)
      // Stored so that turning it gives the page: where each stored pixel goes is asked of a picture of numbers.
      let numbers = try RGBImage(unwrittenWidth: w, height: h)
      for i in 0..<w * h { for k in 0..<3 { numbers.pixels[3 * i + k] = UInt8(truncatingIfNeeded: i >> (8 * k)) } }
      let turned = try TurnedRows(numbers, turn).image()
      let stored = try RGBImage(unwrittenWidth: w, height: h)
      for i in 0..<120 * 200 {
        let from = (0..<3).reduce(0) { $0 | Int(turned.pixels[3 * i + $1]) << (8 * $1) }
        for k in 0..<3 { stored.pixels[3 * from + k] = page.image.pixels[3 * i + k] }
      }
      let ink = try TurnedRows(stored, turn).inkRows()
      #expect(ink.cuts(0..<200, parts: 2) == upright.cuts(0..<200, parts: 2), "\(exif)")
      #expect(ink.content(0..<200)?.rows == upright.content(0..<200)?.rows, "\(exif)")
    }
  }

  @Test func edgesOfThePictureAreFine() throws {
    for (w, h) in [(1, 1), (1, 40), (40, 1), (2, 2)] {
      let page = try Page(w, h)
      page.fill(x: 0..<1, y: 0..<1)
      let ink = try page.ink
      #expect(ink.cuts(0..<h, parts: 2) == [])
      if let (columns, rows) = ink.content(0..<h) { #expect(columns.upperBound <= w && rows.upperBound <= h) }
    }
  }

  @Test func roomIsRespected() throws {
    let page = try Page(100, 100)
    #expect(throws: ImageError.self) { try PixelRows(page.image).inkRows(room: 9_999) }
    _ = try PixelRows(page.image).inkRows(room: 10_000)
    #expect(throws: ImageError.self) { try PixelRows(page.image).inkRows(isStopped: { true }) }
  }
}
