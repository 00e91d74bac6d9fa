// SPDX-License-Identifier: Apache-2.0
import Images
import Testing

/// Pictures that are neither PNG nor JPEG are named for what they are.
struct ForeignPictureTests {
  @Test(
    arguments: [
      ("WebP", Array("RIFF....WEBPVP8 ".utf8)), ("GIF", Array("GIF87a".utf8)), ("BMP", [0x42, 0x4D] + [UInt8](repeating: 0, count: 20)),
      ("TIFF", [0x4D, 0x4D, 0, 0x2A]), ("HEIC", [0, 0, 0, 24] + Array("ftypmif1".utf8)), ("AVIF", [0, 0, 0, 24] + Array("ftypavif".utf8)),
      ("JPEG XL", [0xFF, 0x0A]), ("JPEG 2000", [0xFF, 0x4F, 0xFF, 0x51]), ("PDF", Array("%PDF-1.7".utf8)), ("SVG", Array("<svg xmlns".utf8)),
      ("SVG", Array("<?xml version='1.0'?>\n<!-- a -->\n<svg xmlns".utf8)),
      ("neither a PNG nor a JPEG image.", Array("<?xml version='1.0'?><a/>".utf8)),
      ("HTML", Array(" \n<HTML>".utf8)), ("Git LFS", Array("version https://git-lfs.github.com/spec/v1".utf8)), ("empty", []),
      ("neither a PNG nor a JPEG image.", Array("text".utf8)), ("neither a PNG nor a JPEG image.", Array("BM".utf8)),
    ] as [(String, [UInt8])])
  func isNamed(_ kind: String, _ bytes: [UInt8]) throws {
    let error = try #require(throws: ImageError.self) {
      try bytes.withUnsafeBytes { bytes throws(ImageError) in try RGBImage.decode(encoded: bytes, source: "x.png") }
    }
    #expect(error.description.hasPrefix("x.png: ") && error.description.contains(kind))
  }
}
