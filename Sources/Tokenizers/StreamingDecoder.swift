// SPDX-License-Identifier: Apache-2.0

/// Decodes ids to text one at a time. The output is UTF-8 after every call: bytes of an incomplete character are held back. The
/// concatenated output equals `Tokenizer.decode` of all ids.
package struct StreamingDecoder {
  private let tokenizer: Tokenizer
  private let showsSpecials: Bool
  private var assembler: UTF8Assembler
  /// SentencePiece: whether a leading space mark is still the dummy prefix.
  private var isAtStart = true

  init(tokenizer: Tokenizer, showsSpecials: Bool) {
    self.tokenizer = tokenizer
    self.showsSpecials = showsSpecials
    assembler =
      switch tokenizer.model {
      case .sentencePiece: UTF8Assembler(.perByte)
      case .byteLevel: UTF8Assembler(.perMaximalPart)
      }
  }

  /// The text that `id` completes; may be empty.
  package mutating func append(_ id: Int32) -> [UInt8] {
    var text: [UInt8] = []
    append(id, to: &text)
    return text
  }

  /// The bytes held back, as U+FFFD.
  package mutating func finish() -> [UInt8] {
    var text: [UInt8] = []
    finish(into: &text)
    return text
  }

  package mutating func append(_ id: Int32, to output: inout [UInt8]) {
    let before = output.count
    if let token = tokenizer.added.token(id: id) {
      append(token, to: &output)
    } else {
      switch tokenizer.model {
      case .sentencePiece(let m): append(id, m, to: &output)
      case .byteLevel(let m):
        if id >= 0, Int(id) < m.pieces.count { for byte in m.pieces[Int(id)] { assembler.append(byte, to: &output) } }
      }
    }
    if output.count > before { isAtStart = false }
    if showsSpecials, isBoundary(id) { isAtStart = true }
  }

  /// Whether encoding the decoded text again would cut it after this token and add a dummy prefix there.
  private func isBoundary(_ id: Int32) -> Bool {
    guard case .sentencePiece(let m) = tokenizer.model, m.addsDummyPrefix, m.prefixRule == .everySegment else { return false }
    return tokenizer.added.token(id: id) != nil
  }

  package mutating func finish(into output: inout [UInt8]) {
    assembler.flush(to: &output)
  }

  private mutating func append(_ token: AddedToken, to output: inout [UInt8]) {
    let isShown = showsSpecials || !token.isSpecial
    // Byte-level decoders remove a hidden token first and join the bytes around it; sentencepiece ends a run of bytes.
    if case .byteLevel = tokenizer.model, !isShown { return }
    assembler.flush(to: &output)
    if isShown { output.append(contentsOf: token.text) }
  }

  /// Whether the leading space mark can be removed. Where the prefix is added only to segments without a leading space, text that is to
  /// be encoded again keeps the mark in front of further spaces.
  private func isDummyPrefix(_ piece: [UInt8], _ m: SentencePieceBPE) -> Bool {
    !showsSpecials || m.removesExtraWhitespaces || m.prefixRule == .everySegment
      || (piece.count > 3 && !SentencePieceBPE.isSpaceMark(piece, 3))
  }

  private mutating func append(_ id: Int32, _ m: SentencePieceBPE, to output: inout [UInt8]) {
    guard id >= 0, Int(id) < m.types.count else { return }
    let id = Int(id)
    if m.types[id] == .byte {
      assembler.append(m.byteValues[id], to: &output)
      return
    }
    let before = output.count
    assembler.flush(to: &output)
    if output.count > before { isAtStart = false }
    switch m.types[id] {
    case .control: if showsSpecials { output.append(contentsOf: m.pieces[id]) }
    case .unknown: output.append(contentsOf: m.unknownSurface)
    case .normal, .userDefined, .unused, .byte:
      let piece = Array(m.pieces[id])
      var i = 0
      if isAtStart, m.addsDummyPrefix || m.removesExtraWhitespaces, SentencePieceBPE.isSpaceMark(piece, 0), isDummyPrefix(piece, m) {
        i = 3
        // With extra spaces removed, all leading ones go; otherwise only the dummy prefix.
        isAtStart = m.removesExtraWhitespaces
      }
      while i < piece.count {
        if SentencePieceBPE.isSpaceMark(piece, i) {
          output.append(0x20)
          i += 3
        } else {
          output.append(piece[i])
          i += 1
        }
      }
    }
  }
}
