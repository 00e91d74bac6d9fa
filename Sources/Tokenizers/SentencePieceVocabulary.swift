// SPDX-License-Identifier: Apache-2.0

/// The BPE model of a SentencePiece model file, as plain values.
package struct SentencePieceVocabulary {
  /// UTF-8; U+2581 stands for a space where `escapesWhitespaces`.
  package var pieces: ByteStrings
  /// One per piece; higher merges first.
  package var scores: [Float]
  /// One per piece: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
  package var types: [UInt8]
  /// "left right", first one first: pairs of pieces merge in this order (HF tokenizers) and scores are unused. nil: whatever
  /// concatenates to a piece merges, highest score first.
  package var merges: ByteStrings?
  /// Compiled normaliser; empty means identity.
  package var characterMap: [UInt8] = []
  package var addsDummyPrefix = true
  package var removesExtraWhitespaces = false
  package var escapesWhitespaces = true
  /// What the unknown piece decodes to.
  package var unknownSurface: [UInt8] = Array(" \u{2047} ".utf8)

  package init(pieces: ByteStrings, scores: [Float], types: [UInt8]) {
    self.pieces = pieces
    self.scores = scores
    self.types = types
  }
}

/// Where a text that was cut at special tokens gets the dummy prefix, the leading space that the model was trained with.
package enum DummyPrefixRule {
  /// Every segment, as SentencePiece itself and HF tokenizers with a `Prepend` normaliser ("legacy") do.
  case everySegment
  /// Every segment that does not begin with a space: HF `Metaspace`, `prepend_scheme` "always".
  case everySegmentUnlessSpace
  /// The segment at the start of the text, unless it begins with a space: HF `Metaspace`, "first".
  case firstSegmentUnlessSpace
}
