// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

@Suite struct ResizeTests {
  @Test func everyFilterAndSizeGivesPillowsPixels() throws {
    let filters: [String: ResampleFilter] = ["box": .box, "bilinear": .bilinear, "bicubic": .bicubic, "lanczos": .lanczos]
    let rows = try Fixture.table("resize.txt")
    #expect(rows.count > 90)
    for row in rows {
      let size = try [1, 2, 4, 5].map { try #require(Int(row[$0])) }
      let image = try RGBImage.picture(width: size[0], height: size[1], binary: row[0] == "binary")
      let resized = try image.resized(width: size[2], height: size[3], filter: #require(filters[row[3]]))
      #expect(resized.width == size[2] && resized.height == size[3])
      #expect(resized.hash == row[6], "\(row.joined(separator: " "))")
    }
  }
}
