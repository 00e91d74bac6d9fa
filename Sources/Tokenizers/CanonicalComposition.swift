// SPDX-License-Identifier: Apache-2.0
@_spi(_Unicode) import Swift

/// Unicode normalisation form C (NFC), for the tokenizers that ask for it.
enum CanonicalComposition {
  /// `text[range]` in NFC; nil where a quick check shows that it already is. The range must be UTF-8.
  static func apply(_ text: [UInt8], _ range: Range<Int>, _ bounds: EncodingBounds) throws(TokenizerError) -> [UInt8]? {
    // NFC changes nothing below U+0300 (lead byte 0xCC).
    guard text[range].contains(where: { $0 >= 0xCC }) else { return nil }
    var output: [UInt8] = []
    output.reserveCapacity(range.count)
    var start = range.lowerBound
    while start < range.upperBound {
      try bounds.check(0)
      let end = pieceEnd(text, start, range.upperBound)
      for scalar in String(decoding: orderingLongRuns(decomposingVowelSigns(text, start..<end)), as: UTF8.self)._nfc {
        output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
      start = end
    }
    return output
  }

  /// End of a chunk of about 64 KiB, before an ASCII character: no composition crosses it.
  private static func pieceEnd(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    var i = min(start + (1 << 16), end)
    while i < end, text[i] >= 0x80 { i += 1 }
    return i
  }

  /// Decomposes U+0F73, U+0F75 and U+0F81 into their two marks each, as NFC does. They alone have combining class 0 and yet decompose
  /// into marks, which the standard library (Swift 6.3) does not reorder with the marks before them.
  private static func decomposingVowelSigns(_ text: [UInt8], _ range: Range<Int>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(range.count)
    var i = range.lowerBound
    while i < range.upperBound {
      let (scalar, length) = UTF8Scalars.next(text, at: i)
      switch scalar {
      case 0xF73: output.append(contentsOf: [0xE0, 0xBD, 0xB1, 0xE0, 0xBD, 0xB2])
      case 0xF75: output.append(contentsOf: [0xE0, 0xBD, 0xB1, 0xE0, 0xBD, 0xB4])
      case 0xF81: output.append(contentsOf: [0xE0, 0xBD, 0xB1, 0xE0, 0xBE, 0x80])
      default: output.append(contentsOf: text[i..<i + length])
      }
      i += length
    }
    return output
  }

  /// Sorts the marks of long runs into canonical order (Unicode §3.11 D109); the NFC result stays the same. The standard library uses an
  /// insertion sort: 1 MB of alternating marks would take minutes.
  private static func orderingLongRuns(_ text: [UInt8]) -> [UInt8] {
    var ordered: [UInt8] = []
    // Sort keys: combining class in the high half, offset in the low half, so equal classes keep their order.
    var marks: [UInt64] = []
    var copied = 0
    var i = 0
    while i < text.count {
      let (scalar, length) = UTF8Scalars.next(text, at: i)
      let order = combiningClass(scalar)
      i += length
      if order > 0 { marks.append(UInt64(order) << 32 | UInt64(i - length)) }
      guard order == 0 || i == text.count else { continue }
      if marks.count > 32, let first = marks.first {
        ordered.append(contentsOf: text[copied..<Int(first & 0xFFFF_FFFF)])
        marks.sort()
        for mark in marks {
          let place = Int(mark & 0xFFFF_FFFF)
          ordered.append(contentsOf: text[place..<place + UTF8Scalars.next(text, at: place).length])
        }
        copied = order == 0 ? i - length : i
      }
      marks.removeAll(keepingCapacity: true)
    }
    if ordered.isEmpty { return text }
    ordered.append(contentsOf: text[copied..<text.count])
    return ordered
  }

  private static func combiningClass(_ scalar: UInt32) -> UInt8 {
    // Fast path: Latin letters, ideographs and Hangul syllables are not marks.
    if scalar < 0x300 || (0x3400..<0xA000).contains(scalar) || (0xAC00..<0xD7A4).contains(scalar) { return 0 }
    return Unicode.Scalar(scalar)?.properties.canonicalCombiningClass.rawValue ?? 0
  }
}
