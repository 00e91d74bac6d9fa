// SPDX-License-Identifier: Apache-2.0

/// SentencePiece's compiled normaliser: a trie from character sequences to their replacements.
///
/// The blob is a little-endian UInt32 (bytes of the trie), the trie as 32-bit units of a Darts-clone double array, then the
/// replacements, each ended by a zero byte. A unit holds: bits 0–7 its label; bit 8 whether it has a value unit; bits 10–30
/// the offset to its children, times 256 where bit 9 is set. In a value unit bit 31 is set, bits 0–30 are the replacement's offset.
struct CharacterMap {
  private let units: [UInt32]
  private let replacements: [UInt8]

  /// Throws where the blob's sizes disagree, replacements are unterminated or not UTF-8, or a value points outside.
  init(_ blob: [UInt8]) throws(TokenizerError) {
    func word(_ i: Int) -> UInt32 {
      UInt32(blob[i]) | UInt32(blob[i + 1]) << 8 | UInt32(blob[i + 2]) << 16 | UInt32(blob[i + 3]) << 24
    }
    guard blob.count > 8 else { throw .invalidCharacterMap(offset: 0) }
    let size = Int(word(0))
    guard size > 0, size % 4 == 0, size < blob.count - 4 else { throw .invalidCharacterMap(offset: 0) }
    units = (0..<size / 4).map { word(4 + 4 * $0) }
    replacements = Array(blob[(4 + size)...])
    guard replacements.last == 0 else { throw .invalidCharacterMap(offset: blob.count - 1) }
    if let bad = UTF8Scalars.firstInvalid(replacements, 0..<replacements.count) {
      throw .invalidCharacterMap(offset: 4 + size + bad)
    }
    for (i, unit) in units.enumerated() where unit >> 31 == 1 {
      let value = Int(unit & 0x7FFF_FFFF)
      // A value must point at the start of a character, so that the output stays UTF-8.
      guard value < replacements.count, replacements[value] & 0xC0 != 0x80 else {
        throw .invalidCharacterMap(offset: 4 + 4 * i)
      }
    }
  }

  /// The longest rule that `text[position ..< end]` begins with: its length and its replacement's offset.
  func longest(_ text: [UInt8], at position: Int, end: Int) -> (length: Int, replacement: Int)? {
    var best: (Int, Int)?
    var node = Self.offset(units[0])
    for i in position..<end {
      node ^= Int(text[i])
      guard node < units.count else { return best }
      let unit = units[node]
      guard unit & 0x8000_00FF == UInt32(text[i]) else { return best }
      node ^= Self.offset(unit)
      guard node < units.count else { return best }
      if unit >> 8 & 1 == 1, units[node] >> 31 == 1 {
        best = (i + 1 - position, Int(units[node] & 0x7FFF_FFFF))
      }
    }
    return best
  }

  /// Appends the replacement at offset `place` to `output`.
  func append(_ place: Int, to output: inout [UInt8]) {
    var i = place
    while i < replacements.count, replacements[i] != 0 {
      output.append(replacements[i])
      i += 1
    }
  }

  private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }
}
