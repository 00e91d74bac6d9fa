// SPDX-License-Identifier: Apache-2.0
import Tokenizers
import WeightFile

/// The token of the vocabulary that stands where a region's vector goes.
package struct RegionToken {
  package let text: [UInt8]
  package let id: Int32

  /// `region.token`, by default `<region_fea>`.
  init(_ m: Metadata, _ tokenizer: Tokenizer) throws(FoveaError) {
    let name = m.string("region.token") ?? "<region_fea>"
    text = Array(name.utf8)
    guard let id = tokenizer.id(of: text) else {
      throw FoveaError(.format, "tokenizer: no \(name) token, but the file has a region sampler")
    }
    self.id = id
  }
}

extension LoadedSystem {
  /// Stands for one region in any prompt.
  package static let regionMark = Array("<region>".utf8)

  /// The prompt with each `<region>` replaced by what the system was trained to read: the region's coordinates and, where there is a
  /// region sampler, the token for its vector. Coordinates that already stand in front of the mark are not repeated, and the
  /// token itself written in place of a mark gets no coordinates.
  /// - Parameter regions: none for a system that takes none, whose prompts stay as they are.
  /// - Throws: when regions and marks differ in number.
  package func prompt(_ text: [UInt8], regions: [RegionArea]) throws(FoveaError) -> [UInt8] {
    guard let coordinates else { return text }
    var written: [UInt8] = []
    var marks = 0
    var i = 0
    while i < text.count {
      if Self.matches(Self.regionMark, text, at: i) {
        if marks < regions.count {
          let place = coordinates.text(regions[marks])
          if !Self.ends(written, with: place) { written += place }
          if let regionToken { written += (written.last == UInt8(ascii: " ") ? [] : [UInt8(ascii: " ")]) + regionToken.text }
        }
        marks += 1
        i += Self.regionMark.count
      } else if let regionToken, Self.matches(regionToken.text, text, at: i) {
        written += regionToken.text
        marks += 1
        i += regionToken.text.count
      } else {
        written.append(text[i])
        i += 1
      }
    }
    guard marks == regions.count else {
      throw FoveaError(.argument, "prompt: \(marks) <region> marks, but \(regions.count) regions were given")
    }
    return written
  }

  private static func matches(_ pattern: [UInt8], _ text: [UInt8], at i: Int) -> Bool {
    i + pattern.count <= text.count && text[i] == pattern[0] && text[i..<i + pattern.count].elementsEqual(pattern)
  }

  /// Whether the text ends with `place`, one blank behind it or none.
  private static func ends(_ text: [UInt8], with place: [UInt8]) -> Bool {
    let end = text.last == UInt8(ascii: " ") ? text.count - 1 : text.count
    return end >= place.count && text[end - place.count..<end].elementsEqual(place)
  }
}
