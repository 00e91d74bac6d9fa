// SPDX-License-Identifier: Apache-2.0
import Shims

// libFuzzer target of the tokenizers. The first byte chooses the model; a text follows, and where the byte asks for it a small vocabulary before
// it: bytes, each piece ended by a 0. Ids lie in the vocabulary, decoding takes any id.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizers(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let start, count > 1 else { return 0 }
  let (choice, rest) = (start[0], Array(UnsafeBufferPointer(start: start + 1, count: count - 1)))
  let cut = choice & 1 == 0 ? 0 : (rest.firstIndex(of: 0xFF) ?? 0)
  let own = rest[..<cut].split(separator: 0, omittingEmptySubsequences: false).prefix(64).map { Array($0) }
  let text = Array(rest[cut...])
  do throws(TokenizerError) {
    let tokenizer = try Tokenizer(model(choice, own), added: [AddedToken(text: Array("<s>".utf8), id: 400, stripsLeft: choice & 64 != 0)])
    let ids = try tokenizer.encode(text, addBOS: false, parseSpecials: true)
    guard ids.allSatisfy({ $0 >= 0 && Int($0) < tokenizer.vocabularySize }) else { fatalError("an id outside the vocabulary") }
    _ = tokenizer.decode(ids, showsSpecials: true)
    // Any ids, those outside the vocabulary, too.
    _ = tokenizer.decode(text.map { Int32($0) &* 7 &- 300 })
  } catch {}
  return 0
}

/// All bytes, some words, and the pieces of the input.
private func model(_ choice: UInt8, _ own: [[UInt8]]) throws(TokenizerError) -> Tokenizer.Model {
  let words = ["he", "ll", "llo", "hello", " w", "or", "ld", "\u{2581}", "\u{2581}h", "é", "日本", "12", "'s"].map { Array($0.utf8) }
  if choice & 2 == 0 {
    var pieces = [Array("<unk>".utf8)]
    var types: [UInt8] = [2]
    for byte in 0..<256 {
      pieces.append(Array("<0x\(["", "0"][byte < 16 ? 1 : 0])\(String(byte, radix: 16, uppercase: true))>".utf8))
      types.append(6)
    }
    pieces += words + own
    types += [UInt8](repeating: 1, count: words.count + own.count)
    var vocabulary = SentencePieceVocabulary(
      pieces: try strings(pieces), scores: pieces.indices.map { -Float($0 % 37) }, types: types)
    vocabulary.addsDummyPrefix = choice & 4 != 0
    vocabulary.removesExtraWhitespaces = choice & 8 != 0
    return .sentencePiece(try SentencePieceBPE(vocabulary))
  }
  let patterns: [SplitPattern] = [
    .gpt2, .contracted(digits: 1, marks: false), .contracted(digits: 3, marks: true), .cased(digits: 3, contractions: true), .deepSeek3, .none,
    .digits(limit: 1), .trailingBlanks,
  ]
  var vocabulary = ByteLevelVocabulary(
    pieces: try strings((0..<256).map { [UInt8($0)] } + words + own), usesByteAlphabet: false, merging: .ranks,
    pattern: patterns[Int(choice >> 2) & 7])
  if choice & 64 != 0 {
    vocabulary.splits = [.digits(limit: 3), .lineBreaks, .run(of: .deepSeekSymbols, afterBlank: true), .trailingBlanks, .deepSeek3]
  }
  vocabulary.composition = choice & 32 != 0 ? .wholeText : .none
  return .byteLevel(try ByteLevelBPE(vocabulary))
}

private func strings(_ pieces: [[UInt8]]) throws(TokenizerError) -> ByteStrings {
  var offsets = [0]
  for piece in pieces { offsets.append(offsets[offsets.count - 1] + piece.count) }
  return try ByteStrings(bytes: Array(pieces.joined()), offsets: offsets)
}
