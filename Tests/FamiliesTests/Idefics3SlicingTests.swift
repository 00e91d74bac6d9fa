// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import Images
import Schema
import Testing

@Suite struct Idefics3SlicingTests {
  /// Rows that tools/reference/make_idefics3_slicing.py made, without the line of headings.
  private func rows() throws -> [[String]] {
    let own = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/idefics3_slicing.txt")
    let url = ProcessInfo.processInfo.environment["FOVEA_IDEFICS3_SLICING"].map { URL(fileURLWithPath: $0) } ?? own
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").dropFirst().map { $0.split(separator: " ").map(String.init) }
  }

  /// The same noise as `picture` in tools/reference/make_image_fixtures.py.
  private func noise(_ width: Int, _ height: Int) throws -> RGBImage {
    var state = UInt32(truncatingIfNeeded: width * 65536 + height)
    let samples = (0..<width * height * 3).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24)
    }
    return try RGBImage(rgb: samples, width: width, height: height)
  }

  @Test func everyViewHasThePixelsOfTransformers() throws {
    let rows = try rows()
    #expect(rows.count >= 60)
    for row in rows {
      let numbers = try row.prefix(7).map { try #require(Int($0)) }
      var settings = Idefics3SlicingSettings()
      (settings.longestEdge, settings.tileSide, settings.splits) = (numbers[2], numbers[3], numbers[4] == 1)
      let image = try noise(numbers[0], numbers[1])
      let plan = try Idefics3Slicing(settings)(ImageSize(width: image.width, height: image.height))
      #expect(plan.rows == numbers[5] && plan.columns == numbers[6], "\(row)")
      #expect(plan.rows <= settings.mostPerSide && plan.columns <= settings.mostPerSide)
      let views = try ImageViews(plan, PixelRows(image).pictures(plan.pictures))
      var (sum, place): (UInt64, UInt64) = (0, 0)
      for view in views.pictures {
        for y in 0..<view.height {
          let line = view.pixels + y * view.stride
          for x in 0..<3 * view.width {
            sum &+= (UInt64(line[x]) + 1) &* (place &* 2_654_435_761 | 1)
            place += 1
          }
        }
      }
      #expect(sum == UInt64(row[7], radix: 16), "\(row)")
    }
  }

  @Test func extremeSizesOverflowNothing() throws {
    var settings = Idefics3SlicingSettings()
    (settings.longestEdge, settings.tileSide) = (4096, 512)
    let largest = Int(Int32.max)
    for (width, height) in [(largest, 1), (1, largest), (largest, largest), (1, 1)] {
      let plan = try Idefics3Slicing(settings)(ImageSize(width: width, height: height))
      #expect(plan.rows * plan.columns <= 64 && plan.cuts.count == plan.rows * plan.columns + 1)
      #expect(plan.pictureBytes != nil)
    }
    for (width, height) in [(0, 5), (5, -1), (1 << 31, 5)] {
      #expect(throws: ImageError.self) { try Idefics3Slicing(settings)(ImageSize(width: width, height: height)) }
    }
  }
}
