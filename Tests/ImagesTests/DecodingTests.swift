// SPDX-License-Identifier: Apache-2.0

import Images
import Testing

@Suite struct DecodingTests {
  @Test func everyKindOfFileGivesPillowsPixels() throws {
    let rows = try Fixture.table("decode.txt")
    #expect(rows.count > 70)
    for row in rows {
      let stored = try RGBImage.decode(path: Fixture.path(row[0]), options: DecodingOptions(applyOrientation: false, background: nil))
      #expect([row[0], "\(stored.width)", "\(stored.height)", stored.hash] == Array(row[0...3]))
      let turned = try RGBImage.decode(path: Fixture.path(row[0]), options: DecodingOptions(background: nil))
      #expect([row[0], "\(turned.width)", "\(turned.height)", turned.hash] == [row[0]] + row[4...6])
    }
  }

  /// By default on white, as Pillow's `paste` with the alpha as its mask.
  @Test func transparentPixelsArePainted() throws {
    let rows = try Fixture.table("painted.txt")
    #expect(rows.count > 10)
    for row in rows {
      #expect(try RGBImage.decode(path: Fixture.path(row[0])).hash == row[1], "\(row[0])")
      let coloured = try RGBImage.decode(
        path: Fixture.path(row[0]), options: DecodingOptions(background: RGBColour(12, 130, 200)))
      #expect(coloured.hash == row[2], "\(row[0])")
    }
  }

  @Test func grey16KeepsItsHighByte() throws {
    let grey = try RGBImage.decode(path: Fixture.path("colour0_depth16.png"))
    let values = Set((0..<grey.width * grey.height).map { grey.pixels[3 * $0] })
    #expect(values.count > 20 && values.contains { $0 < 128 })
  }

  @Test func anImageWithoutItsEndIsReadWhenAllRowsAreThere() throws {
    for name in ["colour2_depth8.png", "colour6_depth16_interlaced.png"] {
      let whole = try Fixture.bytes(name), pixels = try decode(whole).hash
      #expect(try decode(Array(whole.dropLast(12))).hash == pixels)
      #expect(try decode(Array(whole.dropLast(12)) + [0, 0, 1, 0, 0x49, 0x45, 0x4E, 0x44, 9, 9, 9]).hash == pixels)
      #expect(throws: ImageError.self) { try decode(Array(whole.dropLast(40))) }
    }
    for name in ["colour_420_37x29.jpg", "colour_420_37x29_progressive.jpg", "cmyk_adobe.jpg", "restarts.jpg"] {
      let whole = try Fixture.bytes(name), pixels = try decode(whole).hash
      #expect(try decode(Array(whole.dropLast(2))).hash == pixels)
      #expect(try decode(Array(whole.dropLast(2)) + [0x12, 0x34, 0x56]).hash == pixels)
      #expect(throws: ImageError.self) { try decode(Array(whole.dropLast(20))) }
    }
  }
}
