// SPDX-License-Identifier: Apache-2.0

/// The contents of a `tokenizer.json`, of `vocab.json` with `merges.txt`, or of a `.tiktoken` file, as plain values.
package struct ByteLevelVocabulary {
  /// The order of merges.
  package enum Merging {
    /// The id is the rank: two neighbours merge if their concatenation is a piece, lowest id first (tiktoken).
    case ranks
    /// A list of "left right", first one first, both written in the byte alphabet (HF, GPT-2).
    case rules(ByteStrings)
  }

  /// What is normalised to NFC.
  package enum Composition {
    case none
    /// NFC of each segment between added tokens, as HF tokenizers.
    case segments
    /// NFC of the whole text before added tokens are searched for, as Qwen's own tokenizer.
    case wholeText
  }

  /// By id. An empty piece is an unused id.
  package var pieces: ByteStrings
  /// Whether `pieces` are written in the byte alphabet rather than as the bytes themselves.
  package var usesByteAlphabet: Bool
  package var merging: Merging
  /// Applied one after the other, before `pattern`.
  package var splits: [SplitPattern] = []
  /// Cuts the text into words.
  package var pattern: SplitPattern
  package var composition = Composition.none
  /// A word that is itself a piece is not merged but becomes that piece (HF `ignore_merges`; always so with `ranks`).
  package var prefersWholeWords = false
  /// Each part that `splits` leave gets a leading space if it has none (HF `add_prefix_space`).
  package var addsPrefixSpace = false
  /// Id of a byte that has no piece; nil: such bytes are dropped.
  package var unknownId: Int32?

  package init(pieces: ByteStrings, usesByteAlphabet: Bool, merging: Merging, pattern: SplitPattern) {
    self.pieces = pieces
    self.usesByteAlphabet = usesByteAlphabet
    self.merging = merging
    self.pattern = pattern
  }
}
