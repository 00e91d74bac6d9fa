// SPDX-License-Identifier: Apache-2.0

/// Errors of a vocabulary (from a weight file) or of a text.
package enum TokenizerError: Error, Equatable {
  /// The text is not UTF-8; `offset` is the first byte of the first sequence that is not.
  case invalidUTF8(offset: Int)
  /// The text, as given or normalised, is longer than a tokenizer accepts.
  case textTooLong(bytes: Int, limit: Int)
  /// The text has more ids than `limit`.
  case tooManyIds(limit: Int)
  /// The caller asked to stop.
  case stopped
  /// Not enough memory to process a long text.
  case outOfMemory(bytes: Int)
  /// Two lists of the vocabulary that must have equal lengths do not.
  case countMismatch(list: String, expected: Int, found: Int)
  /// Offsets of flattened byte strings do not ascend from zero to the number of bytes.
  case invalidOffsets(index: Int)
  /// A piece is empty, too long, not UTF-8 where it must be, or a byte piece that names no byte.
  case invalidPiece(id: Int, reason: String)
  /// A piece has a type that SentencePiece does not know.
  case invalidType(id: Int, type: Int)
  /// A score is infinite or not a number.
  case invalidScore(id: Int)
  /// Two pieces have the same text.
  case duplicatePiece(id: Int)
  /// The vocabulary has more than one unknown piece, or none.
  case unknownPieceCount(Int)
  /// Some but not all of the 256 byte pieces are there.
  case missingBytePiece(byte: Int)
  /// An id lies outside the vocabulary.
  case idOutOfRange(name: String, id: Int, count: Int)
  /// The normaliser's map is damaged at `offset`.
  case invalidCharacterMap(offset: Int)
  /// A merge rule names something that is not a piece, or does not have exactly two parts.
  case invalidMerge(rank: Int)
  /// More pieces than ids.
  case tooManyPieces(Int)
  /// The pieces collide in every hash function tried, as only pieces made for it do.
  case unhashable

  /// One plain sentence.
  package var description: String {
    switch self {
    case .invalidUTF8(let offset): "The text is not valid UTF-8 at byte \(offset)."
    case .textTooLong(let bytes, let limit): "The text has \(bytes) bytes; a tokenizer takes at most \(limit)."
    case .outOfMemory(let bytes): "No memory for \(bytes) bytes."
    case .tooManyIds(let limit): "The text has more than \(limit) tokens."
    case .stopped: "cancelled"
    case .countMismatch(let list, let expected, let found):
      "The tokenizer's \(list) has \(found) entries, expected \(expected)."
    case .invalidOffsets(let index): "The tokenizer's string offsets are out of order at entry \(index)."
    case .invalidPiece(let id, let reason): "Tokenizer piece \(id) \(reason)."
    case .invalidType(let id, let type): "Tokenizer piece \(id) has the unknown type \(type)."
    case .invalidScore(let id): "The score of tokenizer piece \(id) is not a finite number."
    case .duplicatePiece(let id): "Tokenizer piece \(id) has the text of an earlier piece."
    case .unknownPieceCount(let count): "The tokenizer has \(count) unknown pieces, expected one."
    case .missingBytePiece(let byte): "The tokenizer has byte pieces, but none for byte \(byte)."
    case .idOutOfRange(let name, let id, let count):
      "The tokenizer's \(name) id \(id) is outside its vocabulary of \(count)."
    case .invalidCharacterMap(let offset): "The tokenizer's character map is damaged at byte \(offset)."
    case .invalidMerge(let rank): "Tokenizer merge \(rank) does not join two pieces into a third."
    case .tooManyPieces(let count): "The tokenizer has \(count) pieces, which is too many."
    case .unhashable: "The tokenizer's pieces collide in every hash function."
    }
  }
}
