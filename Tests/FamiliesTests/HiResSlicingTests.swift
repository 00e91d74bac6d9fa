// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Images
import Testing

@Suite struct HiResSlicingTests {
  /// Rows of whole numbers that tools/reference/make_image_fixtures.py made, without the line of headings.
  private func rows() throws -> [[Int]] {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/slicing.txt")
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").dropFirst().map {
      try $0.split(separator: " ").map { try #require(Int($0)) }
    }
  }

  @Test func hiResSlicingAgreesWithABruteForceSearch() throws {
    let rows = try rows()
    #expect(rows.count > 500)
    for row in rows {
      let s = try HiResSlicing(
        width: row[0], height: row[1], resolution: row[2], maxSlices: row[3], quadruple: row[4] == 1)
      #expect([s.columns, s.rows, s.fit.width, s.fit.height, s.fit.x, s.fit.y] == Array(row[5...]), "\(row)")
      #expect(s.slices <= row[3])
      #expect(s.fit.canvasWidth == s.columns * row[2] && s.fit.canvasHeight == s.rows * row[2])
    }
  }

  @Test("an enlarged image has the slices of a larger one", arguments: [100, 125, 133, 400])
  func enlargedImagesHaveTheSlicesOfLargerOnes(percent: Int) throws {
    for (w, h) in [(1, 1), (487, 159), (144, 96), (908, 135), (1000, 1400), (115, 433)] {
      let s = try HiResSlicing(width: w, height: h, resolution: 144, maxSlices: 30, enlarge: percent)
      let larger = try HiResSlicing(width: (w * percent + 99) / 100, height: (h * percent + 99) / 100, resolution: 144, maxSlices: 30)
      #expect((s.columns, s.rows) == (larger.columns, larger.rows), "\(w) × \(h)")
      // It is still the image itself that is laid on their canvas.
      let fit = try CanvasFit(width: w, height: h, canvasWidth: s.columns * 144, canvasHeight: s.rows * 144)
      #expect(s.fit == fit)
    }
    #expect(throws: ImageError.self) { try HiResSlicing(width: 9, height: 9, resolution: 144, maxSlices: 30, enlarge: 99) }
    #expect(throws: ImageError.self) { try HiResSlicing(width: 9, height: 9, resolution: 144, maxSlices: 30, enlarge: 401) }
  }

  @Test func slicesAreNumberedRowByRow() throws {
    let s = try HiResSlicing(width: 1000, height: 600, resolution: 336, maxSlices: 16)
    #expect((s.columns, s.rows) == (3, 2))
    let origins = (0..<s.slices).map { s.origin(ofSlice: $0) }
    #expect(origins.map(\.x) == [0, 336, 672, 0, 336, 672])
    #expect(origins.map(\.y) == [0, 0, 0, 336, 336, 336])
  }

  @Test func theLowResolutionViewIsTheSameFitOnOneSquare() throws {
    let fit = try CanvasFit(width: 500, height: 400, canvasWidth: 336, canvasHeight: 336)
    #expect((fit.width, fit.height) == (336, 269))
    #expect((fit.x, fit.y) == (0, 33))
  }

  @Test func extremeSizesOverflowNothing() throws {
    let largest = Int(Int32.max)
    for (w, h) in [(largest, 1), (1, largest), (largest, largest), (1, 1)] {
      for limit in [1, 7, 16384] {
        let s = try HiResSlicing(width: w, height: h, resolution: 16384, maxSlices: limit, quadruple: true)
        #expect(s.slices >= 1 && s.slices <= limit)
        #expect(s.fit.width >= 1 && s.fit.width <= s.fit.canvasWidth)
        #expect(s.fit.height >= 1 && s.fit.height <= s.fit.canvasHeight)
      }
    }
  }

  @Test(arguments: [(0, 5, 336, 16), (5, -1, 336, 16), (5, 5, 0, 16), (5, 5, 336, 0), (5, 1 << 31, 336, 16), (5, 5, 1 << 40, 16)])
  func sizesWithoutMeaningAreErrors(_ c: (Int, Int, Int, Int)) {
    #expect(throws: ImageError.self) { try HiResSlicing(width: c.0, height: c.1, resolution: c.2, maxSlices: c.3) }
  }
}
