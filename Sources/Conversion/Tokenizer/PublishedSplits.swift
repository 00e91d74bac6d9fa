// SPDX-License-Identifier: Apache-2.0
import Schema

/// The split patterns of published tokenizers, recognised by their regular expression's text.
enum PublishedSplits {
  typealias Pattern = ByteLevelSettings.Pattern

  /// nil: unknown.
  static func pattern(_ regex: String) -> Pattern? {
    // Some files have literal line breaks in the pattern.
    let text = regex.unicodeScalars.map { $0 == "\r" ? #"\r"# : $0 == "\n" ? #"\n"# : String($0) }.joined()
    // Byte by byte: Swift's String equates canonically equivalent texts.
    if let fixed = fixed.first(where: { $0.text.utf8.elementsEqual(text.utf8) }) { return fixed.pattern }
    return contracted(Substring(text)) ?? cased(Substring(text))
  }

  /// Whether a pattern's matches cover every text.
  static func matchesAll(_ pattern: Pattern) -> Bool {
    switch pattern {
    case .gpt2, .qwen, .twoDigits, .llama3, .qwen35, .o200k, .tekken, .none: true
    default: false
    }
  }

  private static let fixed: [(text: String, pattern: Pattern)] = [
    (#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, .gpt2),
    (#"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, .gpt2),
    (#"\p{N}"#, .singleDigits), (#"\p{N}+"#, .digits), (#"\p{N}{1,3}"#, .upToThreeDigits),
    (#"[\r\n]"#, .lineBreaks), (#"\s+$"#, .trailingBlanks), (#"\s?\p{L}+"#, .letters), (#"\s?\p{P}+"#, .punctuation),
    (#"\s?["# + deepSeekLetters + "]+", .deepSeekLetters),
    (#"\s?[!-/:-~！-／：-～‘-‟　-。]+"#, .deepSeekSymbols),
    ("[一-龥ࠀ-一가-\u{D7FF}]+", .deepSeekIdeographs),
    ("[一-龥\u{3040}-ゟ゠-ヿ]+", .deepSeek3Ideographs),
    (
      ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"##
        + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#, .deepSeek3
    ),
  ]

  /// Qwen's, LLaMA 3's and similar patterns. Possessive quantifiers (`?+`, `++`) match the same where what follows never begins with what
  /// they match.
  private static func contracted(_ text: Substring) -> Pattern? {
    var rest = text
    guard skip(["(?i:'s|'t|'re|'ve|'m|'ll|'d)|", "'(?i:[sdmt]|ll|ve|re)|"], &rest) != nil,
      skip([#"[^\r\n\p{L}\p{N}]?"#], &rest) != nil
    else { return nil }
    let isPossessive = skip(["+"], &rest) != nil
    guard let marks = skip([#"\p{L}+|"#, #"\p{L}++|"#, #"[\p{L}\p{M}]+|"#], &rest), let digits = digits(&rest),
      skip([marks == 2 ? #" ?[^\s\p{L}\p{M}\p{N}]+"# : #" ?[^\s\p{L}\p{N}]+"#], &rest) != nil
    else { return nil }
    _ = skip(["+"], &rest)
    guard skip([#"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#, #"[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#], &rest) != nil, rest.isEmpty else { return nil }
    // A lone mark is a word only where the optional character before the word can be given back.
    guard !(isPossessive && marks == 2) else { return nil }
    switch (marks == 2, digits) {
    case (false, 1): return .qwen
    case (false, 2): return .twoDigits
    case (false, 3): return .llama3
    case (true, 1): return .qwen35
    default: return nil
    }
  }

  /// o200k and Tekken.
  private static func cased(_ text: Substring) -> Pattern? {
    var rest = text
    let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    let isContracted = text.contains(contraction)
    let end = isContracted ? contraction + "|" : "|"
    let (upper, lower) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
    let prefix = #"[^\r\n\p{L}\p{N}]?"#
    guard skip([prefix + upper + "*" + lower + "+" + end + prefix + upper + "+" + lower + "*" + end], &rest) != nil,
      let digits = digits(&rest), skip([#" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#], &rest) != nil, rest.isEmpty
    else { return nil }
    switch (isContracted, digits) {
    case (true, 3): return .o200k
    case (false, 1): return .tekken
    default: return nil
    }
  }

  private static func digits(_ rest: inout Substring) -> Int? {
    skip([#"\p{N}|"#, #"\p{N}{1,2}|"#, #"\p{N}{1,3}|"#], &rest).map { $0 + 1 }
  }

  /// Consumes the first of these texts that is a prefix; nil: none is.
  private static func skip(_ texts: [String], _ rest: inout Substring) -> Int? {
    guard let i = texts.firstIndex(where: { rest.utf8.starts(with: $0.utf8) }) else { return nil }
    rest = Substring(rest.utf8.dropFirst(texts[i].utf8.count))
    return i
  }

  /// Letters of scripts with two cases.
  private static let deepSeekLetters =
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u{1F7D}ᾀ-ᾴ"
    + "ᾶ-ᾼ\u{1FBE}ῂ-ῄῆ-ῌῐ-\u{1FD3}ῖ-\u{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ\u{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯ"
    + "ꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
}
