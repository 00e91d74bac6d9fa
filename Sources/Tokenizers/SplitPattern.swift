// SPDX-License-Identifier: Apache-2.0

/// How byte-level tokenizers cut a text into words; no merge crosses a cut. The regular expressions of the reference
/// implementations, written out by hand: each character is looked at a bounded number of times.
package enum SplitPattern {
  /// GPT-2 and OPT: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// Qwen and Qwen2: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  case qwen
  /// LLaMA 3 (and cl100k): as `qwen`, with `\p{N}{1,3}`.
  case llama3
  /// Numbers are cut out first, each so many digits long, and GPT-2's pattern cuts each stretch between them: HF `Digits` before
  /// `ByteLevel`. What stands before a number sees the end of the text there.
  case gpt2Digits(atATime: Int)

  /// End of the word that begins at `start`; `start < end` and `text[..<end]` is UTF-8.
  func wordEnd(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    switch self {
    case .gpt2: gpt2End(text, start, end, endsAtNumber: false)
    case .qwen: modernEnd(text, start, end, digits: 1)
    case .llama3: modernEnd(text, start, end, digits: 3)
    case .gpt2Digits(let digits):
      next(text, start).kind == .number
        ? numberEnd(text, start, end, digits: digits) : gpt2End(text, start, end, endsAtNumber: true)
    }
  }

  private func gpt2End(_ text: [UInt8], _ start: Int, _ end: Int, endsAtNumber: Bool) -> Int {
    if let length = contraction(text, start, end, ignoresCase: false) { return start + length }
    let first = next(text, start)
    // An optional space, then a run of one class.
    var run = start
    var kind = first.kind
    if text[start] == 0x20, start + 1 < end {
      let following = next(text, start + 1).kind
      if !(endsAtNumber && following == .number) {
        run += 1
        kind = following
      }
    }
    switch kind {
    case .letter, .number, .other: return endOfRun(text, run, end) { $0 == kind }
    case .space, .lineBreak: return blankEnd(text, start, end, endsAtNumber: endsAtNumber)
    }
  }

  private func modernEnd(_ text: [UInt8], _ start: Int, _ end: Int, digits: Int) -> Int {
    if let length = contraction(text, start, end, ignoresCase: true) { return start + length }
    let first = next(text, start)
    let second = start + first.length
    switch first.kind {
    case .letter: return endOfRun(text, second, end) { $0 == .letter }
    case .number:
      return numberEnd(text, start, end, digits: digits)
    case .space, .other:
      if second < end {
        let kind = next(text, second).kind
        if kind == .letter { return endOfRun(text, second, end) { $0 == .letter } }
        if kind == .other, text[start] == 0x20 { return symbolsEnd(text, second, end) }
      }
      if first.kind == .other { return symbolsEnd(text, start, end) }
    case .lineBreak: break
    }
    // `\s*[\r\n]+`: up to the last line break of the white space.
    var i = start
    var lastBreak = -1
    while i < end {
      let c = next(text, i)
      guard c.kind.isWhitespace else { break }
      i += c.length
      if c.kind == .lineBreak { lastBreak = i }
    }
    return lastBreak >= 0 ? lastBreak : blankEnd(text, start, end)
  }

  /// `\p{N}{1,digits}`
  private func numberEnd(_ text: [UInt8], _ start: Int, _ end: Int, digits: Int) -> Int {
    var i = start
    var count = 0
    while count < digits, i < end {
      let c = next(text, i)
      guard c.kind == .number else { break }
      i += c.length
      count += 1
    }
    return i
  }

  /// `[^\s\p{L}\p{N}]+[\r\n]*`
  private func symbolsEnd(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    var i = endOfRun(text, start, end) { $0 == .other }
    while i < end, text[i] == 0x0A || text[i] == 0x0D { i += 1 }
    return i
  }

  /// `\s+(?!\S)|\s+`: white space without its last character, which goes with the word behind it.
  private func blankEnd(_ text: [UInt8], _ start: Int, _ end: Int, endsAtNumber: Bool = false) -> Int {
    var i = start
    var last = start
    while i < end {
      let c = next(text, i)
      guard c.kind.isWhitespace else {
        if endsAtNumber, c.kind == .number { return i }
        break
      }
      last = i
      i += c.length
    }
    return i == end || last == start ? i : last
  }

  private func endOfRun(_ text: [UInt8], _ start: Int, _ end: Int, _ belongs: (CharacterClass) -> Bool) -> Int {
    var i = start
    while i < end {
      let c = next(text, i)
      guard belongs(c.kind) else { break }
      i += c.length
    }
    return i
  }

  private func next(_ text: [UInt8], _ i: Int) -> (kind: CharacterClass, length: Int) {
    let (scalar, length) = UTF8Scalars.next(text, at: i)
    return (CharacterClass(scalar), length)
  }

  /// Length of 's, 't, 'm, 'd, 're, 've or 'll at `i`. Without regard to case, U+017F is an s too.
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
