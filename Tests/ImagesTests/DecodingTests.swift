// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

@Suite struct DecodingTests {
  @Test func everyKindOfFileGivesPillowsPixels() throws {
    let rows = try Fixture.table("decode.txt")
    #expect(rows.count > 70)
    for row in rows {
      let stored = try RGBImage.decode(path: Fixture.path(row[0]), options: DecodingOptions(applyOrientation: false))
      #expect([row[0], "\(stored.width)", "\(stored.height)", stored.hash] == Array(row[0...3]))
      let turned = try RGBImage.decode(path: Fixture.path(row[0]))
      #expect([row[0], "\(turned.width)", "\(turned.height)", turned.hash] == [row[0]] + row[4...6])
    }
  }
}
