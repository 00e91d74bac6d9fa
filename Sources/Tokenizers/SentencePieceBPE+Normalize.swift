// SPDX-License-Identifier: Apache-2.0

extension SentencePieceBPE {
  /// The text that the BPE model sees: characters mapped, spaces collapsed and escaped, dummy prefix added, as the model file says.
  func normalize(_ text: [UInt8], _ range: Range<Int>, isFirst: Bool, _ bounds: EncodingBounds) throws(TokenizerError) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(range.count + range.count / 2 + 3)
    var i = range.lowerBound
    if removesExtraWhitespaces {
      while i < range.upperBound {
        let unit = unit(text, at: i, end: range.upperBound)
        guard unit.isSingleSpace(self, text, at: i) else { break }
        i += unit.length
      }
    }
    guard i < range.upperBound else { return [] }
    if addsDummyPrefix { appendSpace(to: &output) }
    let afterPrefix = output.count
    var isPreviousSpace = removesExtraWhitespaces
    var scratch: [UInt8] = []
    var units = 0
    while i < range.upperBound {
      units += 1
      try bounds.check(units)
      let unit = unit(text, at: i, end: range.upperBound)
      scratch.removeAll(keepingCapacity: true)
      switch unit.content {
      case .text: scratch.append(contentsOf: text[i..<i + unit.length])
      case .replacement(let place): characterMap?.append(place, to: &scratch)
      }
      var first = 0
      if isPreviousSpace { while first < scratch.count, scratch[first] == 0x20 { first += 1 } }
      if first < scratch.count {
        for byte in scratch[first...] {
          if byte == 0x20 { appendSpace(to: &output) } else { output.append(byte) }
        }
        isPreviousSpace = scratch[scratch.count - 1] == 0x20
      }
      if !removesExtraWhitespaces { isPreviousSpace = false }
      i += unit.length
      // The character map may expand one character to many bytes.
      try Tokenizer.checkLength(output.count)
    }
    if removesExtraWhitespaces { removeTrailingSpaces(&output) }
    return addsDummyPrefix ? droppingPrefix(output, afterPrefix, isFirst: isFirst) : output
  }

  /// Removes the dummy prefix again where `prefixRule` asks for none.
  private func droppingPrefix(_ output: [UInt8], _ afterPrefix: Int, isFirst: Bool) -> [UInt8] {
    let isWanted: Bool
    switch prefixRule {
    case .everySegment: isWanted = true
    case .everySegmentUnlessSpace: isWanted = !startsWithSpace(output, afterPrefix)
    case .firstSegmentUnlessSpace: isWanted = isFirst && !startsWithSpace(output, afterPrefix)
    }
    return isWanted || output.count < afterPrefix ? output : Array(output[afterPrefix...])
  }

  private func startsWithSpace(_ text: [UInt8], _ i: Int) -> Bool {
    escapesWhitespaces ? Self.isSpaceMark(text, i) : i < text.count && text[i] == 0x20
  }

  private func appendSpace(to output: inout [UInt8]) {
    if escapesWhitespaces { output.append(contentsOf: [0xE2, 0x96, 0x81]) } else { output.append(0x20) }
  }

  private func removeTrailingSpaces(_ output: inout [UInt8]) {
    if escapesWhitespaces {
      while output.count >= 3, Self.isSpaceMark(output, output.count - 3) { output.removeLast(3) }
    } else {
      while output.last == 0x20 { output.removeLast() }
    }
  }

  /// What the normaliser consumes in one step.
  private struct Unit {
    enum Content {
      case text
      case replacement(Int)
    }
    var length: Int
    var content: Content

    func isSingleSpace(_ model: SentencePieceBPE, _ text: [UInt8], at i: Int) -> Bool {
      switch content {
      case .text: return length == 1 && text[i] == 0x20
      case .replacement(let place):
        var mapped: [UInt8] = []
        model.characterMap?.append(place, to: &mapped)
        return mapped == [0x20]
      }
    }
  }

  /// The user-defined symbol, the rule of the character map or the character at `i`, whichever applies first.
  private func unit(_ text: [UInt8], at i: Int, end: Int) -> Unit {
    if let (_, length) = symbols.longest(text, at: i, end: end) { return Unit(length: length, content: .text) }
    if let map = characterMap, let (length, place) = map.longest(text, at: i, end: end) {
      return Unit(length: length, content: .replacement(place))
    }
    return Unit(length: UTF8Scalars.next(text, at: i).length, content: .text)
  }
}
