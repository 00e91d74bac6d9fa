// SPDX-License-Identifier: Apache-2.0

import Foundation
import Images
import Testing

/// xorshift64*, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

@Suite struct HostileImageTests {
  static let files = [
    "colour6_depth16_interlaced.png", "colour3_depth2.png", "colour_420_37x29_progressive.jpg", "cmyk_adobe.jpg", "exif_orientation6.jpg",
  ]

  @Test(arguments: files) func everyTruncationIsAnErrorUnlessAllRowsAreThere(_ name: String) throws {
    let whole = try Fixture.bytes(name), pixels = try decode(whole).hash
    for count in 0..<whole.count {
      if count > whole.count - 24, let read = try? decode(Array(whole[..<count])) {
        #expect(read.hash == pixels, "\(count) of \(whole.count) bytes")
        continue
      }
      let error = #expect(throws: ImageError.self) { try decode(Array(whole[..<count])) }
      // Once the kind of file is clear, the message says what is wrong.
      if case .truncated? = error { continue }
      if case .unknownFormat? = error, count < 8 { continue }
      Issue.record("\(count) of \(whole.count) bytes: \(error?.description ?? "no error")")
    }
  }

  @Test(arguments: files) func flippedBitsNeverCrash(_ name: String) throws {
    let whole = try Fixture.bytes(name)
    var random = SeededGenerator(state: 0x1234_5678)
    var failures = 0
    for _ in 0..<2000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
      }
      do throws(ImageError) {
        let image = try decode(bytes, DecodingOptions(maximumPixels: 1 << 20))
        #expect(image.width * image.height <= 1 << 20)
      } catch {
        #expect(!error.description.isEmpty)
        failures += 1
      }
    }
    #expect(failures > 0)
  }

  /// PNG checks every byte by CRC, which hides its decoder from random damage; here the checksums are made right again.
  @Test(arguments: ["colour6_depth16_interlaced.png", "colour3_depth2.png", "exif_orientation7.png", "palette_trns.png"])
  func flippedBitsUnderRightChecksumsNeverCrash(_ name: String) throws {
    let whole = try Fixture.bytes(name)
    var random = SeededGenerator(state: 0x8765_4321)
    var successes = 0
    for _ in 0..<2000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 8..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
      }
      repairChecksums(&bytes)
      if (try? decode(bytes, DecodingOptions(maximumPixels: 1 << 20))) != nil { successes += 1 }
    }
    #expect(successes > 0)
  }

  @Test func randomBytesBehindAMagicNumberAreErrors() {
    var random = SeededGenerator(state: 99)
    for magic in [[0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], [0xFF, 0xD8, 0xFF], []] as [[UInt8]] {
      for count in 0..<300 {
        let bytes = magic + (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(throws: ImageError.self) { try decode(bytes) }
      }
    }
  }

  @Test func hugeHeadersAreRefusedByTheirSize() throws {
    var png = try Fixture.bytes("colour2_depth8.png")
    png.replaceSubrange(16..<24, with: [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF])
    repairChecksums(&png)
    var jpeg = try Fixture.bytes("colour_444_37x29.jpg")
    let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0xDC, 0xFF, 0xDC])
    for bytes in [png, jpeg] {
      let error = try #require(throws: ImageError.self) { try decode(bytes) }
      guard case .tooManyPixels = error else {
        Issue.record("\(error.description)")
        continue
      }
    }
    #expect(throws: ImageError.self) { try decode(Fixture.bytes("colour2_depth8.png"), DecodingOptions(maximumPixels: 246)) }
    #expect(try decode(Fixture.bytes("colour2_depth8.png"), DecodingOptions(maximumPixels: 247)).width == 19)
  }

  @Test func sidesOfZeroAreErrors() throws {
    for side in [16, 20] {
      var png = try Fixture.bytes("colour2_depth8.png")
      png.replaceSubrange(side..<side + 4, with: [0, 0, 0, 0])
      repairChecksums(&png)
      #expect(throws: ImageError.self) { try decode(png) }
    }
    for side in [5, 7] {
      var jpeg = try Fixture.bytes("colour_444_37x29.jpg")
      let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
      jpeg.replaceSubrange(frame + side..<frame + side + 2, with: [0, 0])
      #expect(throws: ImageError.self) { try decode(jpeg) }
    }
  }

  @Test func aScanRepeatedWithoutEndIsAnError() throws {
    let jpeg = try Fixture.bytes("colour_420_37x29_progressive.jpg")
    let scans = jpeg.indices.filter { $0 + 1 < jpeg.count && jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xDA }
    let last = try #require(scans.last)
    let repeated = Array(jpeg[last..<jpeg.count - 2])
    let bytes = Array(jpeg[..<last]) + (0..<600).flatMap { _ in repeated } + [0xFF, 0xD9]
    let error = try #require(throws: ImageError.self) { try decode(bytes) }
    #expect(error.description == "encoded image: the JPEG image is damaged: more than 500 scans.")
  }

  @Test func filesThatCannotBeReadAreNamed() throws {
    func message(_ path: String) throws -> String {
      try #require(throws: ImageError.self) { try RGBImage.decode(path: path) }.description
    }
    #expect(try message("/no/such/file.png") == "/no/such/file.png: cannot be read: No such file or directory.")
    #expect(try message("/").hasPrefix("/: is not a regular file."))
    #expect(try message("/dev/zero").contains("is not a regular file"))
    let table = Fixture.path("decode.txt")
    #expect(try message(table) == "\(table): is neither a PNG nor a JPEG image.")
    let empty = FileManager.default.temporaryDirectory.appendingPathComponent("fovea-empty-\(getpid()).png")
    try Data().write(to: empty)
    defer { try? FileManager.default.removeItem(at: empty) }
    #expect(try message(empty.path) == "\(empty.path): is neither a PNG nor a JPEG image: it is empty.")
  }
}

/// Gives every chunk of a PNG its right CRC-32, as far as the chunks can be followed.
func repairChecksums(_ png: inout [UInt8]) {
  var offset = 8
  while offset + 12 <= png.count {
    let length = png[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    guard length <= png.count - offset - 12 else { return }
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in png[offset + 4..<offset + 8 + length] {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    crc = ~crc
    let at = offset + 8 + length
    for i in 0..<4 { png[at + i] = UInt8(truncatingIfNeeded: crc >> (24 - 8 * i)) }
    offset = at + 4
  }
}
