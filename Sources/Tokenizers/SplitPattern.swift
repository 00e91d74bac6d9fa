// SPDX-License-Identifier: Apache-2.0

/// How byte-level tokenizers cut a text into words; no merge crosses a cut. The regular expressions of the reference implementations,
/// written by hand in linear time: each character is read a bounded number of times.
///
/// A tokenizer may have several in sequence: each cuts the pieces that those before it left, and treats the ends of its piece as the
/// ends of the text. What no match covers is a piece of its own (`Split` with behavior `Isolated`).
package enum SplitPattern {
  /// No cut: the text is one word.
  case none
  /// GPT-2 and OPT: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:
  /// Qwen and Qwen2 with single digits, LLaMA 3 and cl100k with three. With marks `[\p{L}\p{M}]+` stands for `\p{L}+` (Qwen 3.5).
  case contracted(digits: Int, marks: Bool)
  /// `[^\r\n\p{L}\p{N}]?U*L+c?|[^\r\n\p{L}\p{N}]?U+L*c?|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+` with
  /// U `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and L `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`: o200k, where c is the contraction and digits are 3, and
  /// Mistral's Tekken without contractions and with single digits.
  case cased(digits: Int, contractions: Bool)
  /// `\p{N}{1,limit}`; HF `Digits`, too.
  case digits(limit: Int)
  /// `[\r\n]`
  case lineBreaks
  /// `\s?[…]+`, or without `\s?`, of a set of characters.
  case run(of: CharacterRange, afterBlank: Bool)
  /// `\s+$`, where `$` is also before a line feed.
  case trailingBlanks
  /// DeepSeek-V3: ``[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|…``, then the
  /// white-space alternatives of `contracted`. Numbers and control characters match nothing.
  case deepSeek3

  /// The first match that begins at `start` or after it; `start < end` and `text[..<end]` is UTF-8.
  func first(_ text: [UInt8], _ start: Int, _ end: Int, _ bounds: EncodingBounds) throws(TokenizerError) -> Range<Int>? {
    switch self {
    case .none: return start..<end
    case .gpt2: return start..<gpt2End(text, start, end)
    case .contracted(let digits, let marks):
      return start..<contractedEnd(text, start, end, digits: digits, word: marks ? [.letter, .mark] : .letter)
    case .cased(let digits, let contractions):
      return start..<casedEnd(text, start, end, digits: digits, contractions: contractions)
    case .trailingBlanks: return try trailingBlanks(text, start, end, bounds)
    case .digits, .lineBreaks, .run, .deepSeek3:
      var (i, skipped) = (start, 0)
      while i < end {
        try bounds.check(skipped)
        skipped += 1
        if let matched = match(text, i, end) { return i..<matched }
        i += UTF8Scalars.next(text, at: i).length
      }
      return nil
    }
  }

  /// End of the match that begins at `i`.
  private func match(_ text: [UInt8], _ i: Int, _ end: Int) -> Int? {
    let found: Int
    switch self {
    case .digits(let limit): found = CharacterClass.number.endOfRun(text, i, end, limit: limit)
    case .lineBreaks: found = text[i] == 0x0A || text[i] == 0x0D ? i + 1 : i
    case .run(let set, let afterBlank):
      let first = UTF8Scalars.next(text, at: i)
      if afterBlank, UTF8Scalars.isWhitespace(first.scalar) {
        let word = i + first.length
        let end = set.endOfRun(text, word, end)
        if end > word { return end }
      }
      found = set.endOfRun(text, i, end)
    case .deepSeek3: return deepSeek3End(text, i, end)
    case .none, .gpt2, .contracted, .cased, .trailingBlanks: return nil
    }
    return found > i ? found : nil
  }

  private func trailingBlanks(
    _ text: [UInt8], _ start: Int, _ end: Int, _ bounds: EncodingBounds
  ) throws(TokenizerError) -> Range<Int>? {
    var (i, skipped) = (start, 0)
    while i < end {
      try bounds.check(skipped)
      skipped += 1
      let first = CharacterClass.next(text, i)
      guard CharacterClass.whitespace.contains(first.kind) else {
        i += first.length
        continue
      }
      let stop = CharacterClass.whitespace.endOfRun(text, i, end)
      if stop == end { return i..<end }
      // Backtrack to the last line feed that has white space before it.
      if let feed = text[(i + first.length)..<stop].lastIndex(of: 0x0A) { return i..<feed }
      i = stop
    }
    return nil
  }
}
