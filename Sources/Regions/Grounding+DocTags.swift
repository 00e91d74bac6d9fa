// SPDX-License-Identifier: Apache-2.0

extension CoordinateForm {
  /// `<name><loc_x1><loc_y1><loc_x2><loc_y2>words`: the words up to the next tag, or the element's name where there are none.
  static func located(_ text: [UInt8]) -> [Grounding] {
    var found: [Grounding] = []
    // The tag before the place that is being read.
    var tag = 0..<0
    var isTagged = false
    var numbers: [Double] = []
    var start = 0
    var i = 0
    while i < text.count {
      guard text[i] == UInt8(ascii: "<"), let end = tagEnd(text, i) else {
        i += 1
        continue
      }
      defer { i = end }
      guard let number = location(text[i..<end]) else {
        (tag, numbers, start) = (i..<end, [], i)
        continue
      }
      // Places follow their element's tag, and each other, with nothing between.
      if numbers.isEmpty {
        isTagged = tag.count > 2 && tag.upperBound == i && text[tag.lowerBound + 1] != UInt8(ascii: "/")
        start = isTagged ? tag.lowerBound : i
      }
      numbers.append(number)
      guard numbers.count == 4 else { continue }
      var words = end
      while words < text.count, text[words] != UInt8(ascii: "<") { words += 1 }
      var phrase = Array(text[end..<words])
      while let first = phrase.first, isBlank(first) { phrase.removeFirst() }
      while let last = phrase.last, isBlank(last) { phrase.removeLast() }
      if phrase.isEmpty, isTagged { phrase = Array(text[tag.lowerBound + 1..<tag.upperBound - 1]) }
      var place = Grounding(
        phrase: phrase, x1: 2 * numbers[0], y1: 2 * numbers[1], x2: 2 * numbers[2], y2: 2 * numbers[3], isPoint: false, range: start..<end)
      place.sortCorners()
      found.append(place)
      (numbers, tag) = ([], 0..<0)
    }
    return found
  }

  /// End of the tag that begins at `i`; nil: no tag shorter than 64 bytes.
  private static func tagEnd(_ text: [UInt8], _ i: Int) -> Int? {
    for j in i + 1..<max(i + 1, min(i + 64, text.count)) {
      if text[j] == UInt8(ascii: ">") { return j + 1 }
      if text[j] == UInt8(ascii: "<") || isBlank(text[j]) { return nil }
    }
    return nil
  }

  /// The number of `<loc_…>`, in 500ths.
  private static func location(_ tag: ArraySlice<UInt8>) -> Double? {
    let name = Array("<loc_".utf8)
    let digits = tag.dropFirst(name.count).dropLast()
    guard tag.starts(with: name), (1...3).contains(digits.count), digits.allSatisfy(isDigit) else { return nil }
    return Double(min(digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }, 500))
  }
}
