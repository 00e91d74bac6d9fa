// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// A `tokenizer.json` of LLaMA type (BPE over whole texts, ▁ for spaces, byte fallback), converted back to its SentencePiece model.
///
/// Such a file has merges where SentencePiece has scores. The two agree when all merges that produce a piece are adjacent in the order, and
/// every split of a piece into two others is a merge. Where they do not, the merges are kept.
package struct TokenizerJSON {
  package let json: JSONValue
  let file: String

  package init(json: JSONValue, file: String) {
    self.json = json
    self.file = file
  }

  struct AddedToken: Equatable {
    let id: Int
    let text: String
    /// Omitted when decoding.
    let isSpecial: Bool
    /// Bits: 1: the token takes in white space before it, 2: after it.
    let strips: Int

    init(id: Int, text: String, isSpecial: Bool, strips: Int = 0) {
      self.id = id
      self.text = text
      self.isSpecial = isSpecial
      self.strips = strips
    }

    /// An entry of `added_tokens`, or of tokenizer_config's `added_tokens_decoder`.
    init?(id: Int?, _ value: JSONValue) {
      guard let id, id >= 0, id < 1 << 24, let text = value["content"]?.string, !text.isEmpty else { return nil }
      let strips = (value["lstrip"]?.bool == true ? 1 : 0) + (value["rstrip"]?.bool == true ? 2 : 0)
      self.init(id: id, text: text, isSpecial: value["special"]?.bool == true, strips: strips)
    }
  }

  private func unsupported(_ what: String) -> ConversionError { .unsupported("\(file): \(what)") }
  private func malformed(_ what: String) -> ConversionError { .malformed(file: file, detail: what) }

  func addedTokens() throws -> [AddedToken] {
    try (json["added_tokens"]?.array ?? []).map { value in
      guard let token = AddedToken(id: value["id"]?.int, value) else { throw malformed("an added token without id or content") }
      return token
    }
  }

  package typealias PrefixRule = SentencePieceSettings.PrefixRule

  /// The rule; nil: no dummy prefix.
  package func prefixRule() throws -> PrefixRule? {
    let splitter = json["pre_tokenizer"]
    let normalizers = json["normalizer"].map { $0["normalizers"]?.array ?? [$0] } ?? []
    guard splitter?["type"]?.string != "ByteLevel", splitter?["pretokenizers"] == nil else {
      throw unsupported("a byte-level BPE tokenizer beside a SentencePiece model")
    }
    var prefix = false
    for step in normalizers {
      switch step["type"]?.string {
      case "Prepend" where step["prepend"]?.string == "▁": prefix = true
      case "Replace" where step["pattern"]?["String"]?.string == " " && step["content"]?.string == "▁": break
      case let other: throw unsupported("normalizer \(other ?? "?")")
      }
    }
    guard let splitter else { return prefix ? .every : nil }
    guard splitter["type"]?.string == "Metaspace", splitter["split"]?.bool == false, splitter["replacement"]?.string == "▁", !prefix
    else {
      throw unsupported("pre_tokenizer \(splitter["type"]?.string ?? "?")")
    }
    switch splitter["prepend_scheme"]?.string ?? "always" {
    case "always": return .everyUnlessSpace
    case "first": return .firstUnlessSpace
    case "never": return nil
    case let other: throw unsupported("prepend_scheme \(other)")
    }
  }

  package func sentencePieceModel() throws -> SentencePieceModel {
    guard let model = json["model"], model["type"]?.string == "BPE" else {
      throw unsupported("a tokenizer of type \(json["model"]?["type"]?.string ?? "?")")
    }
    let prefix = try prefixRule()
    guard model["byte_fallback"]?.bool == true, model["ignore_merges"]?.bool != true else {
      throw unsupported("a BPE tokenizer without byte fallback")
    }
    guard let vocabulary = model["vocab"]?.members, !vocabulary.isEmpty, let mergeList = model["merges"]?.array else {
      throw malformed("no vocabulary or no merges")
    }
    var result = SentencePieceModel()
    result.pieces = [String](repeating: "", count: vocabulary.count)
    result.scores = [Double](repeating: 0, count: vocabulary.count)
    result.kinds = [Int](repeating: 0, count: vocabulary.count)
    // Keyed by bytes: Swift's String equates canonically equivalent texts.
    var ids: [[UInt8]: Int] = [:]
    for (piece, value) in vocabulary {
      guard let id = value.int, id >= 0, id < vocabulary.count, result.kinds[id] == 0,
        ids.updateValue(id, forKey: Array(piece.utf8)) == nil
      else {
        throw malformed("vocabulary ids are not 0 … \(vocabulary.count - 1), each once")
      }
      result.pieces[id] = piece
      result.kinds[id] = Self.isByte(piece) ? SentencePieceModel.Kind.byte.rawValue : SentencePieceModel.Kind.normal.rawValue
    }
    for token in try addedTokens() where token.id < result.pieces.count && token.isSpecial {
      result.kinds[token.id] = SentencePieceModel.Kind.control.rawValue
    }
    result.addDummyPrefix = prefix != nil
    result.removeExtraWhitespaces = false
    func id(_ text: String?) -> Int { text.flatMap { ids[Array($0.utf8)] } ?? -1 }
    result.unknown = id(model["unk_token"]?.string ?? "<unk>")
    if result.unknown >= 0 { result.kinds[result.unknown] = SentencePieceModel.Kind.unknown.rawValue }
    result.bos = id("<s>")
    result.eos = id("</s>")
    result.pad = id("<pad>")
    try addMerges(&result, mergeList, ids)
    return result
  }

  /// Converts the order of merges to scores, the earlier the higher, or keeps the list where scores cannot express it: merges that
  /// produce one piece are not adjacent, or two pieces that concatenate to a third are not a merge.
  private func addMerges(_ result: inout SentencePieceModel, _ list: [JSONValue], _ ids: [[UInt8]: Int]) throws {
    let normal = SentencePieceModel.Kind.normal.rawValue
    var merges: [String] = []
    var splits: [Int: Set<Int>] = [:]  // piece → byte counts of its left parts
    var last: (piece: Int, done: Set<Int>) = (-1, [])
    var areScores = true
    for (rank, merge) in list.enumerated() {
      let pair: [String]
      if let text = merge.string {
        pair = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
      } else {
        pair = merge.array?.compactMap(\.string) ?? []
      }
      guard pair.count == 2, let left = ids[Array(pair[0].utf8)], let right = ids[Array(pair[1].utf8)],
        let piece = ids[Array((pair[0] + pair[1]).utf8)]
      else {
        throw malformed("merge \(rank) does not join two pieces to a third")
      }
      // Spaces became ▁, so a merge with a space is never used.
      guard !pair[0].utf8.contains(0x20), !pair[1].utf8.contains(0x20) else { continue }
      merges.append(pair[0] + " " + pair[1])
      areScores = areScores && [left, right, piece].allSatisfy { result.kinds[$0] == normal }
      if piece != last.piece {
        areScores = areScores && last.done.insert(piece).inserted
        last.piece = piece
        result.scores[piece] = -Double(last.done.count)
      }
      splits[piece, default: []].insert(pair[0].utf8.count)
    }
    for (piece, found) in splits where areScores {
      let bytes = Array(result.pieces[piece].utf8)
      for cut in 1..<max(bytes.count, 1) where !found.contains(cut) {
        guard let left = ids[Array(bytes[..<cut])], let right = ids[Array(bytes[cut...])] else { continue }
        if result.kinds[left] == normal, result.kinds[right] == normal { areScores = false }
      }
    }
    // By its score, a longer piece that no merge produces would become reachable.
    for (id, piece) in result.pieces.enumerated() where areScores && result.kinds[id] == normal && splits[id] == nil {
      let bytes = Array(piece.utf8)
      for cut in 1..<max(bytes.count, 1) {
        guard let left = ids[Array(bytes[..<cut])], let right = ids[Array(bytes[cut...])] else { continue }
        if result.kinds[left] == normal, result.kinds[right] == normal { areScores = false }
      }
    }
    guard !areScores else { return }
    result.scores = [Double](repeating: 0, count: result.pieces.count)
    result.merges = merges
  }

  private static func isByte(_ piece: String) -> Bool {
    let bytes = Array(piece.utf8)
    return bytes.count == 6 && piece.hasPrefix("<0x") && piece.hasSuffix(">")
      && UInt8(piece.dropFirst(3).dropLast(), radix: 16) != nil
  }
}
