// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// A SentencePiece BPE model, as its model file says it.
package struct SentencePieceSettings: Settings {
  package static let scope = "tokenizer"

  /// Which segments between special tokens get the dummy prefix (a space in front).
  package enum PrefixRule: Spelled {
    case every, everyUnlessSpace, firstUnlessSpace

    package var spelling: StaticString {
      switch self {
      case .every: "every"
      case .everyUnlessSpace: "every_unless_space"
      case .firstUnlessSpace: "first_unless_space"
      }
    }
  }

  /// UTF-8, by id; U+2581 stands for a space.
  package var pieces: [[UInt8]] = []
  package var scores: [Double] = []
  /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
  package var types: [Int] = []
  /// "left right", first one first; nil: scores decide.
  package var merges: [[UInt8]]?
  package var charsMap: [UInt8] = []
  package var addDummyPrefix = true, removeExtraWhitespaces = false, escapeWhitespaces = true
  package var prefixRule = PrefixRule.every
  /// Empty: SentencePiece's ⁇ between blanks.
  package var unknownSurface: [UInt8] = []

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    let limit = Double(Float.greatestFiniteMagnitude)
    try f.texts("pieces", &pieces, "Pieces by id.")
    try f.doubles("scores", &scores, in: -limit...limit, "A score for each piece; higher merges first.")
    try f.ints("types", &types, in: 0...255, "A type for each piece: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.")
    try f.texts("merges", &merges, "`left right`, pieces that merge, first one first; absent: by score, whatever joins to a piece.")
    try f.bytes("charsMap", &charsMap, "Compiled map of the normaliser; absent: identity.")
    try f.bool("addDummyPrefix", &addDummyPrefix, default: true, "Whether a blank is put in front of texts.")
    try f.choice("prefixRule", &prefixRule, default: .every, "Which segments between added tokens get that blank.")
    try f.bool("removeExtraWhitespaces", &removeExtraWhitespaces, default: false, "Whether blanks at both ends and runs of blanks are reduced.")
    try f.bool("escapeWhitespaces", &escapeWhitespaces, default: true, "Whether U+2581 stands for a blank in pieces.")
    try f.bytes("unknownSurface", &unknownSurface, "What the unknown piece decodes to; absent: U+2047 between blanks.")
  }
}
