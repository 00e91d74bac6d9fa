// SPDX-License-Identifier: Apache-2.0

import Foundation
import Images
import Testing

/// The files that tools/reference/make_image_fixtures.py made.
enum Fixture {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")

  static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
  }

  /// The rows of a table, split at blanks, without its line of headings.
  static func table(_ name: String) throws -> [[String]] {
    try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      .split(separator: "\n").dropFirst().map { $0.split(separator: " ").map(String.init) }
  }

  /// Rows of whole numbers.
  static func numbers(_ name: String) throws -> [[Int]] {
    try table(name).map { try $0.map { try #require(Int($0)) } }
  }
}

/// 64-bit FNV-1a, as 16 hexadecimal digits.
func fnv(_ bytes: UnsafeRawBufferPointer) -> String {
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  let digits = String(hash, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}

extension RGBImage {
  /// Of an image that is no part of another one.
  var hash: String { fnv(UnsafeRawBufferPointer(start: pixels, count: stride * height)) }
  var size: ImageSize { ImageSize(width: width, height: height) }

  /// Noise of a linear congruential generator, or its bytes above the middle as 255 and the others as 0: the same pixels as
  /// `picture` in the script makes.
  static func picture(width: Int, height: Int, binary: Bool = false) throws -> RGBImage {
    var state = UInt32(truncatingIfNeeded: width * 65536 + height)
    let samples = (0..<width * height * 3).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      let byte = UInt8(state >> 24)
      return binary ? (byte >= 128 ? 255 : 0) : byte
    }
    return try RGBImage(rgb: samples, width: width, height: height)
  }
}

/// Decodes bytes in memory.
func decode(_ bytes: [UInt8], _ options: DecodingOptions = DecodingOptions()) throws(ImageError) -> RGBImage {
  let result = bytes.withUnsafeBytes { raw -> Result<RGBImage, ImageError> in
    do throws(ImageError) { return .success(try RGBImage.decode(encoded: raw, options: options)) } catch { return .failure(error) }
  }
  return try result.get()
}
