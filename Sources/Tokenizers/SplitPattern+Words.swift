// SPDX-License-Identifier: Apache-2.0

/// Where a word that begins at `start` ends.
extension SplitPattern {
  func gpt2End(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    if let length = contraction(text, start, end, ignoresCase: false) { return start + length }
    // An optional space, then a run of one class.
    var run = start
    var kind = CharacterClass.next(text, start).kind
    if text[start] == 0x20, start + 1 < end {
      run += 1
      kind = CharacterClass.next(text, run).kind
    }
    for set in [CharacterClass.letter, .number, .rest] where set.contains(kind) { return set.endOfRun(text, run, end) }
    return blanksEnd(text, start, end)
  }

  func contractedEnd(_ text: [UInt8], _ start: Int, _ end: Int, digits: Int, word: CharacterClass) -> Int {
    if let length = contraction(text, start, end, ignoresCase: true) { return start + length }
    let first = CharacterClass.next(text, start)
    let second = start + first.length
    if word.contains(first.kind) { return word.endOfRun(text, second, end) }
    if first.kind == .number { return CharacterClass.number.endOfRun(text, start, end, limit: digits) }
    let symbols = CharacterClass.rest.subtracting(word)
    if first.kind != .lineBreak, second < end {
      let kind = CharacterClass.next(text, second).kind
      if word.contains(kind) { return word.endOfRun(text, second, end) }
      if symbols.contains(kind), text[start] == 0x20 { return symbolsEnd(text, second, end, symbols) }
    }
    if symbols.contains(first.kind) { return symbolsEnd(text, start, end, symbols) }
    return blanksOrBreaksEnd(text, start, end)
  }

  func casedEnd(_ text: [UInt8], _ start: Int, _ end: Int, digits: Int, contractions: Bool) -> Int {
    let first = CharacterClass.next(text, start)
    let second = start + first.length
    if first.kind == .number { return CharacterClass.number.endOfRun(text, start, end, limit: digits) }
    if let word = casedWordEnd(text, start, end, first) {
      guard contractions, word < end, let length = contraction(text, word, end, ignoresCase: true) else { return word }
      return word + length
    }
    if text[start] == 0x20, second < end, CharacterClass.rest.contains(CharacterClass.next(text, second).kind) {
      return symbolsEnd(text, second, end, .rest, slashes: true)
    }
    if CharacterClass.rest.contains(first.kind) { return symbolsEnd(text, start, end, .rest, slashes: true) }
    return blanksOrBreaksEnd(text, start, end)
  }

  /// `[^\r\n\p{L}\p{N}]?U*L+|[^\r\n\p{L}\p{N}]?U+L*`
  private func casedWordEnd(_ text: [UInt8], _ start: Int, _ end: Int, _ first: (kind: CharacterClass, length: Int)) -> Int? {
    let isPrefix = !CharacterClass.letter.union(.lineBreak).union(.number).contains(first.kind)
    let word = isPrefix ? start + first.length : start
    let upper: CharacterClass = [.upper, .caseless, .mark]
    let lower: CharacterClass = [.lower, .caseless, .mark]
    // U* is greedy. L+ continues after it; if it cannot, U* gives back up to the last character that both accept.
    var (i, shared) = (word, -1)
    while i < end {
      let c = CharacterClass.next(text, i)
      guard upper.contains(c.kind) else { break }
      i += c.length
      if c.kind != .upper { shared = i }
    }
    if i < end, CharacterClass.next(text, i).kind == .lower { return lower.endOfRun(text, i, end) }
    if shared >= 0 { return shared }
    // A mark can also be L+ by itself instead of the prefix.
    if first.kind == .mark { return start + first.length }
    return i > word ? i : nil
  }

  /// nil: no match begins at `start`.
  func deepSeek3End(_ text: [UInt8], _ start: Int, _ end: Int) -> Int? {
    let first = CharacterClass.next(text, start)
    let second = start + first.length
    let word: CharacterClass = [.letter, .mark]
    let symbols: CharacterClass = [.punctuation, .symbol]
    let following = second < end ? CharacterClass.next(text, second).kind : []
    if text[start] < 0x80, symbols.contains(first.kind), second < end, Self.isASCIILetter(text[second]) {
      return text[second..<end].firstIndex { !Self.isASCIILetter($0) } ?? end
    }
    if word.contains(first.kind) { return word.endOfRun(text, second, end) }
    let isPrefix = !symbols.union(.lineBreak).contains(first.kind)
    if isPrefix, second < end, word.contains(following) { return word.endOfRun(text, second, end) }
    if text[start] == 0x20, second < end, symbols.contains(following) { return symbolsEnd(text, second, end, symbols) }
    if symbols.contains(first.kind) { return symbolsEnd(text, start, end, symbols) }
    return CharacterClass.whitespace.contains(first.kind) ? blanksOrBreaksEnd(text, start, end) : nil
  }

  private static func isASCIILetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }

  /// `[…]+[\r\n]*`, or `[…]+[\r\n/]*`.
  private func symbolsEnd(_ text: [UInt8], _ start: Int, _ end: Int, _ symbols: CharacterClass, slashes: Bool = false) -> Int {
    var i = symbols.endOfRun(text, start, end)
    while i < end, text[i] == 0x0A || text[i] == 0x0D || (slashes && text[i] == 0x2F) { i += 1 }
    return i
  }

  /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line break of the white space, if it has one.
  private func blanksOrBreaksEnd(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    let stop = CharacterClass.whitespace.endOfRun(text, start, end)
    if let last = text[start..<stop].lastIndex(where: { $0 == 0x0A || $0 == 0x0D }) { return last + 1 }
    return blanksEnd(text, start, end)
  }

  /// `\s+(?!\S)|\s+`: white space without its last character, which belongs to the next word.
  private func blanksEnd(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    var (i, last) = (start, start)
    while i < end {
      let c = CharacterClass.next(text, i)
      guard CharacterClass.whitespace.contains(c.kind) else { break }
      last = i
      i += c.length
    }
    return i == end || last == start ? i : last
  }

  /// Length of 's, 't, 'm, 'd, 're, 've or 'll at `i`, else nil. U+017F (ſ) is an s too when case is ignored.
  private func contraction(_ text: [UInt8], _ i: Int, _ end: Int, ignoresCase: Bool) -> Int? {
    guard text[i] == 0x27, i + 1 < end else { return nil }
    let fold: UInt8 = ignoresCase ? 0x20 : 0
    func letter(_ i: Int) -> UInt8 {
      let c = text[i]
      return (0x41...0x5A).contains(c) ? c | fold : c
    }
    switch letter(i + 1) {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
    case 0xC5: return ignoresCase && i + 2 < end && text[i + 2] == 0xBF ? 3 : nil
    case UInt8(ascii: "r"), UInt8(ascii: "v"): return i + 2 < end && letter(i + 2) == UInt8(ascii: "e") ? 3 : nil
    case UInt8(ascii: "l"): return i + 2 < end && letter(i + 2) == UInt8(ascii: "l") ? 3 : nil
    default: return nil
    }
  }
}
