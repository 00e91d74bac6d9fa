// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

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
