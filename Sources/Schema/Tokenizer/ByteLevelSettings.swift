// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A byte-level BPE model: `tokenizer.json`, `vocab.json` with `merges.txt`, or a `.tiktoken` file.
package struct ByteLevelSettings: Settings {
  package static let scope = "tokenizer"

  /// Pre-tokenisation patterns, named after the tokenizer that introduced them.
  package enum Pattern: Spelled {
    case gpt2, qwen, llama3, qwen35, twoDigits, o200k, tekken, deepSeek3, none
    case digits, singleDigits, upToThreeDigits, lineBreaks, trailingBlanks, letters, punctuation
    case deepSeekLetters, deepSeekSymbols, deepSeekIdeographs, deepSeek3Ideographs

    package var spelling: StaticString {
      switch self {
      case .gpt2: "gpt2"
      case .qwen: "qwen"
      case .llama3: "llama3"
      case .qwen35: "qwen3_5"
      case .twoDigits: "two_digits"
      case .o200k: "o200k"
      case .tekken: "tekken"
      case .deepSeek3: "deepseek3"
      case .none: "none"
      case .digits: "digits"
      case .singleDigits: "single_digits"
      case .upToThreeDigits: "up_to_three_digits"
      case .lineBreaks: "line_breaks"
      case .trailingBlanks: "trailing_blanks"
      case .letters: "letters"
      case .punctuation: "punctuation"
      case .deepSeekLetters: "deepseek_letters"
      case .deepSeekSymbols: "deepseek_symbols"
      case .deepSeekIdeographs: "deepseek_ideographs"
      case .deepSeek3Ideographs: "deepseek3_ideographs"
      }
    }
  }

  /// What is normalised to NFC.
  package enum Composition: Spelled {
    case none, segments, wholeText

    package var spelling: StaticString {
      switch self {
      case .none: "none"
      case .segments: "segments"
      case .wholeText: "whole_text"
      }
    }
  }

  /// By id; an empty one is an unused id.
  package var pieces: [[UInt8]] = []
  /// "left right" in the byte alphabet, first one first; nil: ids are ranks.
  package var merges: [[UInt8]]?
  /// One after the other, before `pattern`.
  package var splits: [Pattern] = []
  package var pattern = Pattern.gpt2
  package var composition = Composition.none
  package var wholeWords = false, addPrefixSpace = false
  package var unk: Int?

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.byteStrings("pieces", &pieces, "Pieces by id, in the byte alphabet where there are merges, else plain bytes; an empty one is a hole.")
    try f.texts("merges", &merges, "`left right` in the byte alphabet, first one first; absent: an id is its piece's rank.")
    try f.choices("splits", &splits, count: 0...16, "What the text is cut by first, one after the other; absent: nothing.")
    try f.choice("pattern", &pattern, "What words are cut by.")
    try f.choice("composition", &composition, default: Composition.none, "What is brought to Unicode's form C first.")
    try f.bool("wholeWords", &wholeWords, default: false, "Whether a word that is a piece becomes it at once.")
    try f.bool("addPrefixSpace", &addPrefixSpace, default: false, "Whether a piece that `splits` leave gets a blank where it has none in front.")
    try f.int("unk", &unk, in: 0...Int(Int32.max), "Id of bytes without a piece; absent: they are left out.")
  }
}
