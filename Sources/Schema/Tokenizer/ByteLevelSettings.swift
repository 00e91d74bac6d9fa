// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A byte-level BPE model: `tokenizer.json`, `vocab.json` with `merges.txt`, or a `.tiktoken` file.
package struct ByteLevelSettings: Settings {
  package static let scope = "tokenizer"

  /// What words are cut by.
  package enum Pattern: Spelled {
    case gpt2, qwen, llama3, gpt2SingleDigits, gpt2Digits

    package var spelling: StaticString {
      switch self {
      case .gpt2: "gpt2"
      case .qwen: "qwen"
      case .llama3: "llama3"
      case .gpt2SingleDigits: "gpt2_single_digits"
      case .gpt2Digits: "gpt2_digits"
      }
    }
  }

  /// What is brought to Unicode's form C.
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

  /// By id; an empty one is a hole in the numbering.
  package var pieces: [[UInt8]] = []
  /// "left right" in the byte alphabet, first one first; nil: ids are ranks.
  package var merges: [[UInt8]]?
  package var pattern = Pattern.gpt2
  package var composition = Composition.none
  package var wholeWords = false, addPrefixSpace = false
  package var unk: Int?

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.byteStrings("pieces", &pieces, "Pieces by id, in the byte alphabet where there are merges, else plain bytes; an empty one is a hole.")
    try f.texts("merges", &merges, "`left right` in the byte alphabet, first one first; absent: an id is its piece's rank.")
    try f.choice("pattern", &pattern, "What words are cut by.")
    try f.choice("composition", &composition, default: Composition.none, "What is brought to Unicode's form C first.")
    try f.bool("wholeWords", &wholeWords, default: false, "Whether a word that is a piece becomes it at once.")
    try f.bool("addPrefixSpace", &addPrefixSpace, default: false, "Whether a segment that does not begin with a blank gets one.")
    try f.int("unk", &unk, in: 0...Int(Int32.max), "Id of bytes without a piece; absent: they are left out.")
  }
}
