// SPDX-License-Identifier: Apache-2.0

/// What `tokenizer.json`, `vocab.json` with `merges.txt`, or a `.tiktoken` file say, as plain values.
package struct ByteLevelVocabulary {
  package enum Merging {
    /// The id is the rank: two neighbours merge if together they are a piece, lowest id first (tiktoken).
    case ranks
    /// A list of "left right", first one first, both written in the byte alphabet (HF, GPT-2).
    case rules(ByteStrings)
  }

  package enum Composition {
    case none
    /// Form C of each segment between added tokens, as HF tokenizers.
    case segments
    /// Form C of the whole text before added tokens are looked for, as Qwen's own tokenizer.
    case wholeText
  }

  /// By id. An empty one is a hole in the numbering.
  package var pieces: ByteStrings
  /// Whether `pieces` are written in the byte alphabet rather than as the bytes themselves.
  package var usesByteAlphabet: Bool
  package var merging: Merging
  /// Applied one after the other, before `pattern`.
  package var splits: [SplitPattern] = []
  /// What words are cut by.
  package var pattern: SplitPattern
  package var composition = Composition.none
  /// A word that is a piece becomes it at once, whatever the rules say (HF `ignore_merges`; always so with `ranks`).
  package var prefersWholeWords = false
  /// A piece that `splits` leave gets a space where it does not begin with one (HF `add_prefix_space`).
  package var addsPrefixSpace = false
  /// What a byte without a piece becomes; nil: nothing.
  package var unknownId: Int32?

  package init(pieces: ByteStrings, usesByteAlphabet: Bool, merging: Merging, pattern: SplitPattern) {
    self.pieces = pieces
    self.usesByteAlphabet = usesByteAlphabet
    self.merging = merging
    self.pattern = pattern
  }
}
