// SPDX-License-Identifier: Apache-2.0

/// GPT-2's mapping of bytes to visible characters (`bytes_to_unicode`), in which byte-level vocabularies are stored: bytes 33–126,
/// 161–172 and 174–255 map to the code point of the same number, the other 68, ascending, to U+0100 and up.
package enum ByteAlphabet {
  /// The byte that `scalar` stands for; nil if it is not in the alphabet.
  static func byte(_ scalar: UInt32) -> UInt8? {
    switch scalar {
    case 33...126, 161...172, 174...255: UInt8(scalar)
    case 0x100...0x120: UInt8(scalar - 0x100)  // 0…32
    case 0x121...0x142: UInt8(scalar - 0x121 + 127)  // 127…160
    case 0x143: 173
    default: nil
    }
  }

  /// The bytes that `piece` stands for; nil if it is not UTF-8 or holds a character outside the alphabet.
  package static func bytes(_ piece: [UInt8], _ range: Range<Int>) -> [UInt8]? {
    var bytes: [UInt8] = []
    var i = range.lowerBound
    while i < range.upperBound {
      guard let (scalar, length) = UTF8Scalars.decode(piece, at: i, end: range.upperBound), let b = byte(scalar) else { return nil }
      bytes.append(b)
      i += length
    }
    return bytes
  }
}
