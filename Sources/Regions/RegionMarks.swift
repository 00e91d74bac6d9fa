// SPDX-License-Identifier: Apache-2.0

/// The vocabulary's token at whose position a region's vector is inserted.
package struct RegionToken {
  package let text: [UInt8]
  package let id: Int32

  package init(text: [UInt8], id: Int32) {
    self.text = text
    self.id = id
  }
}

/// How a system's prompts refer to regions.
package struct RegionMarks {
  package let form: CoordinateForm
  /// nil: the system has no region sampler.
  package let token: RegionToken?

  package init(_ form: CoordinateForm, token: RegionToken?) {
    self.form = form
    self.token = token
  }

  /// Stands for one region in any prompt.
  package static let mark = Array("<region>".utf8)

  /// The prompt with each `<region>` replaced by what the system was trained on: the region's coordinates and, with a region sampler,
  /// the token for its vector. Coordinates that already stand before the mark are not repeated; the token itself in place of a mark
  /// gets no coordinates.
  /// - Throws: when regions and marks differ in number.
  package func prompt(_ text: [UInt8], regions: [RegionArea]) throws(RegionError) -> [UInt8] {
    var written: [UInt8] = []
    var marks = 0
    var i = 0
    while i < text.count {
      if Self.matches(Self.mark, text, at: i) {
        if marks < regions.count {
          let place = form.text(regions[marks])
          if !Self.ends(written, with: place) { written += place }
          if let token { written += (written.last == UInt8(ascii: " ") ? [] : [UInt8(ascii: " ")]) + token.text }
        }
        marks += 1
        i += Self.mark.count
      } else if let token, Self.matches(token.text, text, at: i) {
        written += token.text
        marks += 1
        i += token.text.count
      } else {
        written.append(text[i])
        i += 1
      }
    }
    guard marks == regions.count else { throw .markCount(marks: marks, regions: regions.count) }
    return written
  }

  private static func matches(_ pattern: [UInt8], _ text: [UInt8], at i: Int) -> Bool {
    i + pattern.count <= text.count && text[i] == pattern[0] && text[i..<i + pattern.count].elementsEqual(pattern)
  }

  /// Whether the text ends with `place` and at most one space after it.
  private static func ends(_ text: [UInt8], with place: [UInt8]) -> Bool {
    let end = text.last == UInt8(ascii: " ") ? text.count - 1 : text.count
    return end >= place.count && text[end - place.count..<end].elementsEqual(place)
  }
}
