// SPDX-License-Identifier: Apache-2.0

/// A place in an image that an answer names, and the phrase it belongs to.
package struct Grounding: Equatable {
  /// UTF-8, empty where the answer has no words for it.
  package var phrase: [UInt8]
  /// Thousandths of the image's sides: upper left and lower right corner, the same twice for a point.
  package var x1, y1, x2, y2: Double
  package var isPoint: Bool
  /// Bytes of the answer from the phrase to the end of the coordinates, specials included.
  package var range: Range<Int>
}

extension CoordinateForm {
  /// The places that an answer names, in its order.
  /// - Parameter text: UTF-8 with its special tokens written out.
  package func groundings(in text: [UInt8]) -> [Grounding] {
    switch self {
    case .ferret: Self.bracketed(text)
    case .qwen: Self.tagged(text)
    case .docTags: Self.located(text)
    case .deepSeek: Self.detected(text)
    }
  }

  // MARK: phrase [x1, y1, x2, y2]

  private static func bracketed(_ text: [UInt8]) -> [Grounding] {
    var found: [Grounding] = []
    var start = 0  // where the words after the last place begin
    var i = 0
    while i < text.count {
      guard text[i] == UInt8(ascii: "["), let list = numbers(text, from: i + 1, until: UInt8(ascii: "]")),
        list.values.count == 2 || list.values.count == 4
      else {
        i += 1
        continue
      }
      let words = phrase(text, start..<i)
      let isPoint = list.values.count == 2
      var place = Grounding(
        phrase: Array(text[words]), x1: list.values[0], y1: list.values[1], x2: list.values[isPoint ? 0 : 2],
        y2: list.values[isPoint ? 1 : 3], isPoint: isPoint, range: (words.isEmpty ? i : words.lowerBound)..<list.end)
      place.sortCorners()
      // Several places in a row share the words before the first.
      if words.isEmpty, let last = found.last, isSeparator(text, start..<i) { place.phrase = last.phrase }
      found.append(place)
      start = list.end
      i = list.end
    }
    return found
  }

  /// The words right before a place: after the last clause end, without surrounding white space or leading joining words.
  private static func phrase(_ text: [UInt8], _ range: Range<Int>) -> Range<Int> {
    var start = range.lowerBound
    var end = range.upperBound
    for i in range where isClauseEnd(text, i, range.upperBound) { start = i + 1 }
    func trim() {
      while start < end, isBlank(text[start]) { start += 1 }
    }
    while end > start, isBlank(text[end - 1]) { end -= 1 }
    trim()
    for word in ["and", "or", "And", "Or"] where text[start..<end].starts(with: word.utf8) {
      let behind = start + word.utf8.count
      guard behind == end || isBlank(text[behind]) else { continue }
      start = behind
      trim()
    }
    return start..<end
  }

  private static func isClauseEnd(_ text: [UInt8], _ i: Int, _ end: Int) -> Bool {
    switch text[i] {
    case UInt8(ascii: ";"), UInt8(ascii: "!"), UInt8(ascii: "?"), UInt8(ascii: ":"), UInt8(ascii: "\n"): true
    // A full stop or comma inside a number or name does not end a clause.
    case UInt8(ascii: "."), UInt8(ascii: ","): i + 1 >= end || isBlank(text[i + 1])
    default: false
    }
  }

  /// Whether only white space, commas and joining words stand between two places.
  private static func isSeparator(_ text: [UInt8], _ range: Range<Int>) -> Bool {
    let words = text[range].split { isBlank($0) || $0 == UInt8(ascii: ",") }
    return words.allSatisfy { $0.elementsEqual("and".utf8) || $0.elementsEqual("or".utf8) }
  }

  // MARK: <ref>phrase</ref><box>(x1,y1),(x2,y2)</box>

  private static func tagged(_ text: [UInt8]) -> [Grounding] {
    var found: [Grounding] = []
    var words: Range<Int>?
    var i = 0
    while i < text.count {
      if let (inner, end) = element("ref", text, at: i) {
        words = inner
        i = end
      } else if let (inner, end) = element("box", text, at: i) ?? element("quad", text, at: i) {
        if let corners = numbers(text, from: inner.lowerBound, until: nil, end: inner.upperBound)?.values,
          corners.count >= 2, corners.count % 2 == 0
        {
          let xs = stride(from: 0, to: corners.count, by: 2).map { corners[$0] }
          let ys = stride(from: 1, to: corners.count, by: 2).map { corners[$0] }
          found.append(
            Grounding(
              phrase: words.map { Array(text[$0]) } ?? [], x1: xs.min() ?? 0, y1: ys.min() ?? 0, x2: xs.max() ?? 0,
              y2: ys.max() ?? 0, isPoint: corners.count == 2, range: (words?.lowerBound ?? i)..<end))
        }
        i = end
      } else {
        i += 1
      }
    }
    return found
  }

  // MARK: <|ref|>phrase<|/ref|><|det|>[[x1, y1, x2, y2], …]<|/det|>

  private static func detected(_ text: [UInt8]) -> [Grounding] {
    var found: [Grounding] = []
    var words: Range<Int>?
    var i = 0
    while i < text.count {
      if let (inner, end) = element("|ref|", closing: "|/ref|", text, at: i) {
        words = inner
        i = end
      } else if let (inner, end) = element("|det|", closing: "|/det|", text, at: i) {
        var j = inner.lowerBound
        while j < inner.upperBound {
          guard text[j] == UInt8(ascii: "["), let list = numbers(text, from: j + 1, until: UInt8(ascii: "]")), list.values.count == 4,
            list.end <= inner.upperBound
          else {
            j += 1
            continue
          }
          var place = Grounding(
            phrase: words.map { Array(text[$0]) } ?? [], x1: list.values[0], y1: list.values[1], x2: list.values[2], y2: list.values[3],
            isPoint: false, range: (words?.lowerBound ?? i)..<end)
          place.sortCorners()
          found.append(place)
          j = list.end
        }
        i = end
      } else {
        i += 1
      }
    }
    return found
  }

  /// The inside of `<name>…</name>` at `i`, and where the element ends.
  /// - Parameter closing: name of the closing tag; nil: `/name`.
  private static func element(_ name: String, closing: String? = nil, _ text: [UInt8], at i: Int) -> (Range<Int>, Int)? {
    guard text[i] == UInt8(ascii: "<") else { return nil }
    let (open, close) = (Array("<\(name)>".utf8), Array("<\(closing ?? "/" + name)>".utf8))
    guard text[i...].starts(with: open) else { return nil }
    var end = i + open.count
    while end + close.count <= text.count {
      if text[end...].starts(with: close) { return (i + open.count..<end, end + close.count) }
      end += 1
    }
    return nil
  }

  // MARK: numbers

  /// Numbers separated by commas, white space and round brackets, up to `closing` (or to `end`); nil where anything else occurs.
  /// - Returns: the numbers and the index after `closing`.
  private static func numbers(
    _ text: [UInt8], from start: Int, until closing: UInt8?, end: Int? = nil
  ) -> (values: [Double], end: Int)? {
    var values: [Double] = []
    let end = end ?? min(text.count, start + 80)
    var i = start
    while i < end {
      let byte = text[i]
      if byte == closing { return (values, i + 1) }
      if isDigit(byte) {
        guard values.count < 16 else { return nil }
        var number = 0.0
        while i < end, isDigit(text[i]) {
          number = min(number * 10 + Double(text[i] - UInt8(ascii: "0")), 1e9)
          i += 1
        }
        if i + 1 < end, text[i] == UInt8(ascii: "."), isDigit(text[i + 1]) {
          var unit = 0.1
          i += 1
          while i < end, isDigit(text[i]) {
            number += unit * Double(text[i] - UInt8(ascii: "0"))
            unit /= 10
            i += 1
          }
        }
        values.append(number)
      } else if isBlank(byte) || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "(") || byte == UInt8(ascii: ")") {
        i += 1
      } else {
        return nil
      }
    }
    return closing == nil ? (values, end) : nil
  }

  static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
  static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\t") }
}

extension Grounding {
  /// Orders the corners: a model may name them in any order.
  mutating func sortCorners() {
    (x1, x2) = (min(x1, x2), max(x1, x2))
    (y1, y2) = (min(y1, y2), max(y1, y2))
  }
}
