// SPDX-License-Identifier: Apache-2.0

/// Parses the header of a PNG or JPEG file, so that one with too many pixels is refused before decoding.
enum PictureFile {
  /// nil if the bytes are neither.
  static func size(_ bytes: [UInt8]) -> (width: Int, height: Int)? {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return png(bytes) }
    if bytes.starts(with: [0xFF, 0xD8]) { return jpeg(bytes) }
    return nil
  }

  /// A picture may hold a PDF file's signature too, as in a comment.
  static func isPDF(_ bytes: [UInt8]) -> Bool {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) || bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return false }
    let mark = Array("%PDF-".utf8)
    return bytes.prefix(1024).indices.contains { bytes[$0...].starts(with: mark) }
  }

  private static func number(_ bytes: [UInt8], _ place: Int, _ count: Int) -> Int {
    bytes[place..<place + count].reduce(0) { $0 << 8 | Int($1) }
  }

  private static func png(_ bytes: [UInt8]) -> (width: Int, height: Int)? {
    guard bytes.count >= 24 else { return nil }
    return (number(bytes, 16, 4), number(bytes, 20, 4))
  }

  /// From the first start-of-frame segment (ITU T.81, B.2.2).
  private static func jpeg(_ bytes: [UInt8]) -> (width: Int, height: Int)? {
    var place = 2
    while place + 4 <= bytes.count {
      guard bytes[place] == 0xFF else { return nil }
      let marker = bytes[place + 1]
      if marker == 0xFF {
        place += 1
        continue
      }
      if marker == 0x01 || (0xD0...0xD8).contains(marker) {
        place += 2
        continue
      }
      let length = number(bytes, place + 2, 2)
      guard length >= 2 else { return nil }
      if (0xC0...0xCF).contains(marker), ![0xC4, 0xC8, 0xCC].contains(marker) {
        guard place + 9 <= bytes.count else { return nil }
        return (number(bytes, place + 7, 2), number(bytes, place + 5, 2))
      }
      if marker == 0xDA || marker == 0xD9 { return nil }
      place += 2 + length
    }
    return nil
  }
}
