// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

@Suite struct SlicingTests {
  @Test func hiResSlicingAgreesWithABruteForceSearch() throws {
    let rows = try Fixture.numbers("slicing.txt")
    #expect(rows.count > 500)
    for row in rows {
      let s = try HiResSlicing(
        width: row[0], height: row[1], resolution: row[2], maxSlices: row[3], quadruple: row[4] == 1)
      #expect([s.columns, s.rows, s.fit.width, s.fit.height, s.fit.x, s.fit.y] == Array(row[5...]), "\(row)")
      #expect(s.slices <= row[3])
      #expect(s.fit.canvasWidth == s.columns * row[2] && s.fit.canvasHeight == s.rows * row[2])
    }
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

@Suite struct AnyResolutionTests {
  private static let candidates: [[AnyResolution.Size]] = [
    [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)],
    (1...6).flatMap { c in (1...6).filter { c * $0 <= 6 }.map { (c * 336, $0 * 336) } },
    [(112, 224), (224, 112), (224, 224)],
  ].map { $0.map { AnyResolution.Size(width: $0.0, height: $0.1) } }

  @Test func choiceFitAndUnpaddingAgreeWithTransformers() throws {
    let rows = try Fixture.numbers("any_resolution.txt")
    #expect(rows.count > 500)
    for row in rows {
      let chosen = try AnyResolution.select(width: row[0], height: row[1], pinpoints: Self.candidates[row[2]])
      #expect([chosen.width, chosen.height] == Array(row[3...4]), "\(row)")
      let fit = try AnyResolution.fit(width: row[0], height: row[1], on: chosen)
      #expect([fit.width, fit.height, fit.x, fit.y] == Array(row[5...8]), "\(row)")
      let kept = try AnyResolution.unpadded(
        width: row[0], height: row[1], current: .init(width: chosen.width / 14, height: chosen.height / 14))
      #expect([kept.rows.count, kept.columns.count] == Array(row[9...10]), "\(row)")
      if row[11] >= 0 { #expect([kept.rows.lowerBound, kept.columns.lowerBound] == Array(row[11...]), "\(row)") }
    }
  }

  /// Ferret-UI's and Ferret-v2's grids for 10 000 sizes each, as tools/reference/make_ferret_checkpoints.py --grids chooses.
  @Test func tenThousandSizesGetThePublishedGrid() throws {
    let lines = try String(contentsOf: Fixture.folder.appendingPathComponent("grids.txt"), encoding: .utf8).split(separator: "\n")
    var state: UInt32 = 1
    func side() -> Int {
      state = state &* 1_664_525 &+ 1_013_904_223
      return 1 + Int(state >> 8) % 5000
    }
    let grids = [Self.candidates[0], Self.candidates[1]]
    for (line, candidates) in zip(lines, grids) {
      let wrong = try line.utf8.filter { letter in
        let (width, height) = (side(), side())
        return try AnyResolution.select(width: width, height: height, pinpoints: candidates) != candidates[Int(letter - 97)]
      }
      #expect(line.utf8.count == 10_000 && wrong.isEmpty, "\(wrong.count) of 10 000")
    }
  }

  @Test func equalCandidatesGoToTheFirst() throws {
    let sizes = [AnyResolution.Size(width: 100, height: 50), .init(width: 50, height: 100), .init(width: 100, height: 50)]
    #expect(try AnyResolution.select(width: 80, height: 80, pinpoints: sizes) == sizes[0])
  }

  @Test func noCandidatesAndNoSidesAreErrors() {
    #expect(throws: ImageError.self) { try AnyResolution.select(width: 5, height: 5, pinpoints: []) }
    #expect(throws: ImageError.self) { try AnyResolution.select(width: 5, height: 5, pinpoints: [.init(width: 0, height: 3)]) }
    #expect(throws: ImageError.self) { try AnyResolution.unpadded(width: 0, height: 5, current: .init(width: 1, height: 1)) }
  }
}
