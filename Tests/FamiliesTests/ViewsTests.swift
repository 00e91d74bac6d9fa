// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Images
import TestSupport
import Testing

/// Cuts and pixels of the systems' views against the reference processing, as tools/reference/make_views.py recorded it: a few sizes, or those of
/// the table that FOVEA_VIEWS names (tools/check-views).
@Suite struct ViewsTests {
  private func rows(of system: String) throws -> [[String]] {
    let own = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/views.txt")
    let url = ProcessInfo.processInfo.environment["FOVEA_VIEWS"].map { URL(fileURLWithPath: $0) } ?? own
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
      .filter { $0[0] == system }
  }

  private func plan(_ system: String, _ settings: [String], _ image: ImageSize) throws -> ViewsPlan {
    func number(_ i: Int) throws -> Int { try #require(Int(settings[i])) }
    switch system {
    case "idefics3":
      var s = Idefics3SlicingSettings()
      (s.longestEdge, s.tileSide, s.splits) = (try number(0), try number(1), try number(2) == 1)
      return try Idefics3Slicing(s)(image)
    case "deepseek_ocr":
      return try DeepSeekOCR.plan(image, #require(DeepSeekOCRSettings.Mode(spelling: settings[0])), tiles: number(1))
    default:
      return try DeepSeekOCR2.plan(image, side: number(0), leastTiles: number(1), mostTiles: number(2))
    }
  }

  @Test(arguments: ["idefics3", "deepseek_ocr", "deepseek_ocr2"])
  func viewsAreTheReferencesToThePixel(_ system: String) throws {
    let rows = try rows(of: system)
    #expect(rows.count >= 20)
    for row in rows {
      let image = try noise(width: #require(Int(row[2])), height: #require(Int(row[3])))
      let plan = try plan(system, row[1].split(separator: ",").map(String.init), ImageSize(width: image.width, height: image.height))
      #expect([plan.rows, plan.columns].map(String.init) == Array(row[4..<6]), "\(row)")
      let views = try ImageViews(plan, PixelRows(image).pictures(plan.pictures))
      #expect(checksum(of: views.pictures) == UInt32(row[6], radix: 16), "\(row)")
    }
  }
}
