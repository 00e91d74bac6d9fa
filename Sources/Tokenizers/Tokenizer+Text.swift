// SPDX-License-Identifier: Apache-2.0

/// What a token adds to decoded text.
package enum TokenText {
  /// Nothing visible, or an unknown token.
  case none
  case text
  /// Text with a leading space, which is omitted at the start of a text.
  case textAfterSpace
}

extension Tokenizer {
  /// Appends the bytes that a token adds to a text, its leading space included. They may be part of a character.
  package func appendText(of id: Int32, to bytes: inout [UInt8]) -> TokenText {
    if let token = added.token(id: id) {
      if token.isSpecial { return .none }
      bytes += token.text
      return .text
    }
    guard id >= 0 else { return .none }
    switch model {
    case .byteLevel(let m):
      guard Int(id) < m.pieces.count else { return .none }
      bytes += m.pieces[Int(id)]
      return .text
    case .sentencePiece(let m):
      guard Int(id) < m.types.count else { return .none }
      switch m.types[Int(id)] {
      case .control, .unknown: return .none
      case .byte:
        bytes.append(m.byteValues[Int(id)])
        return .text
      case .normal, .userDefined, .unused:
        let piece = Array(m.pieces[Int(id)])
        var i = 0
        while i < piece.count {
          if SentencePieceBPE.isSpaceMark(piece, i) {
            bytes.append(0x20)
            i += 3
          } else {
            bytes.append(piece[i])
            i += 1
          }
        }
        let leavesBlank = m.addsDummyPrefix || m.removesExtraWhitespaces
        return leavesBlank && SentencePieceBPE.isSpaceMark(piece, 0) ? .textAfterSpace : .text
      }
    }
  }

  /// Upper bound of the bytes that a token adds to a text.
  package func mostBytes(of id: Int32) -> Int {
    if let token = added.token(id: id) { return token.text.count }
    guard id >= 0 else { return 0 }
    let pieces =
      switch model {
      case .byteLevel(let m): m.pieces
      case .sentencePiece(let m): m.pieces
      }
    // A single byte may become U+FFFD (3 bytes).
    return Int(id) < pieces.count ? 3 * pieces.range(Int(id)).count : 0
  }

  /// Whether only the first token's space is omitted at the start of a text, not every space up to the first other character.
  package var leavesOutOneBlank: Bool {
    guard case .sentencePiece(let m) = model else { return true }
    return !m.removesExtraWhitespaces
  }
}
