// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The tokenizer: its model, and settings of both kinds.
package struct TokenizerSettings: Settings {
  package static let scope = "tokenizer"

  package enum Kind: Spelled {
    case sentencePiece, byteLevel

    package var spelling: StaticString {
      switch self {
      case .sentencePiece: "sentencepiece_bpe"
      case .byteLevel: "byte_level_bpe"
      }
    }
  }

  package var kind = Kind.sentencePiece
  /// Only the one that `kind` names is used.
  package var sentencePiece = SentencePieceSettings()
  package var byteLevel = ByteLevelSettings()
  package var bos: Int?
  package var addBos = true
  package var eos: Int?
  package var eosIds: [Int] = []
  /// Added tokens, which are matched before all else: texts (UTF-8), ids, and flags.
  package var added: [[UInt8]] = [], addedIds: [Int] = [], addedSpecial: [Int] = [], addedStrips: [Int] = []

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    let ids = 0...Int(Int32.max)
    try f.choice("kind", &kind, "The algorithm.")
    try f.part(&sentencePiece, scope: "", when: .when(kind == .sentencePiece, "`tokenizer.kind` is `sentencepiece_bpe`"))
    try f.part(&byteLevel, scope: "", when: .when(kind == .byteLevel, "`tokenizer.kind` is `byte_level_bpe`"))
    try f.int("bos", &bos, in: ids, "Id of the begin-of-sequence token.")
    try f.bool("addBos", &addBos, default: true, "Whether every sequence begins with it.")
    try f.int("eos", &eos, in: ids, "Id that ends an answer, where `tokenizer.eosIds` is absent.")
    try f.ints("eosIds", &eosIds, in: ids, isOptional: true, "Ids that end an answer.")
    try f.texts("added", &added, isOptional: true, "Texts of the added tokens.")
    let hasAdded = Condition.when(!added.isEmpty, "there is `tokenizer.added`")
    try f.ints("addedIds", &addedIds, in: ids, when: hasAdded, "Their ids.")
    try f.ints("addedSpecial", &addedSpecial, in: 0...1, isOptional: true, when: hasAdded, "1: decoding hides the token. Absent: it hides all.")
    try f.ints(
      "addedStrips", &addedStrips, in: 0...3, isOptional: true, when: hasAdded,
      "Bits: 1 blanks before the token belong to it, 2 blanks after it. Absent: none do.")
    for (name, count) in [("addedSpecial", addedSpecial.count), ("addedStrips", addedStrips.count)] as [(StaticString, Int)] {
      try f.check(
        count == 0 || count == added.count, name, found: "\(count) numbers", expected: "one for each of \(added.count) texts")
    }
    if hasAdded.holds {
      try f.check(
        addedIds.count == added.count, "addedIds", found: "\(addedIds.count) ids", expected: "one for each of \(added.count) texts")
    }
  }

  /// Ids that end an answer.
  package var endIds: [Int] { eosIds.isEmpty ? eos.map { [$0] } ?? [] : eosIds }
}
