// SPDX-License-Identifier: Apache-2.0

/// Byte-level byte-pair encoding (GPT-2, §2.2 of Radford et al. 2019) as HF tokenizers and tiktoken do it.
///
/// Immutable after `init`, so any number of threads may use one.
package final class ByteLevelBPE: Sendable {
  /// The bytes of each piece.
  let pieces: ByteStrings
  let composition: ByteLevelVocabulary.Composition
  private let splits: [SplitPattern]
  private let pattern: SplitPattern
  private let prefersWholeWords: Bool
  private let addsPrefixSpace: Bool
  private let unknownId: Int32?
  private let table: ByteStringTable
  /// nil: ids are ranks.
  private let rules: PairTable?
  /// Id of each single byte, −1 where there is none.
  private let byteIds: [Int32]
  private let longestPiece: Int

  package init(_ v: ByteLevelVocabulary) throws(TokenizerError) {
    let count = v.pieces.count
    var pieces = v.pieces
    var isReachable = [Bool](repeating: true, count: count)
    if v.usesByteAlphabet {
      pieces = ByteStrings()
      for id in 0..<count {
        let range = v.pieces.range(id)
        if let bytes = ByteAlphabet.bytes(v.pieces.bytes, range) {
          pieces.append(bytes)
        } else {
          // A special token that HF keeps in the vocabulary under its own text; no merge leads to it.
          guard UTF8Scalars.firstInvalid(v.pieces.bytes, range) == nil else { throw .invalidPiece(id: id, reason: "is not UTF-8") }
          pieces.append(v.pieces[id])
          isReachable[id] = false
        }
      }
    }
    var longest = 0
    for id in 0..<count {
      let length = pieces.range(id).count
      guard length <= SentencePieceBPE.pieceLimit else { throw .invalidPiece(id: id, reason: "is too long") }
      if length == 0 { isReachable[id] = false }
      longest = max(longest, length)
    }
    let table = try ByteStringTable(pieces) { isReachable[$0] }
    byteIds = (0..<256).map { table.find([UInt8($0)], 0..<1) }
    switch v.merging {
    case .ranks:
      if let byte = byteIds.firstIndex(of: -1) { throw .missingBytePiece(byte: byte) }
      rules = nil
    case .rules(let list):
      let parsed = try PairTable.parse(
        list, bytes: { ByteAlphabet.bytes(list.bytes, $0) }, find: { table.find($0, 0..<$0.count) })
      rules = try PairTable(parsed)
    }
    if let id = v.unknownId, id < 0 || Int(id) >= count { throw .idOutOfRange(name: "unknown", id: Int(id), count: count) }
    self.pieces = pieces
    self.table = table
    longestPiece = longest
    composition = v.composition
    splits = v.splits
    pattern = v.pattern
    prefersWholeWords = v.prefersWholeWords || rules == nil
    addsPrefixSpace = v.addsPrefixSpace
    unknownId = v.unknownId
  }

  /// State of one `encode` call.
  private struct Work {
    var merger = PairMerger()
    private var steps = 0

    mutating func check(_ bounds: EncodingBounds, _ ids: [Int32]) throws(TokenizerError) {
      try bounds.check(steps)
      try bounds.check(ids)
      steps += 1
    }
  }

  func id(of piece: [UInt8]) -> Int32? {
    let id = table.find(piece, 0..<piece.count)
    return id >= 0 ? id : nil
  }

  /// Appends the ids of `text[range]`, which must be UTF-8.
  func encode(
    _ text: [UInt8], _ range: Range<Int>, _ bounds: EncodingBounds, into ids: inout [Int32]
  ) throws(TokenizerError) {
    var work = Work()
    if composition == .segments, let composed = try CanonicalComposition.apply(text, range, bounds) {
      try Tokenizer.checkLength(composed.count)
      try encodePieces(composed, 0..<composed.count, splits[...], bounds, &work, into: &ids)
    } else {
      try encodePieces(text, range, splits[...], bounds, &work, into: &ids)
    }
  }

  /// Applies the remaining `splits`, then cuts into words. Recursion depth is at most `splits.count`.
  private func encodePieces(
    _ text: [UInt8], _ range: Range<Int>, _ splits: ArraySlice<SplitPattern>, _ bounds: EncodingBounds, _ work: inout Work,
    into ids: inout [Int32]
  ) throws(TokenizerError) {
    guard let split = splits.first else {
      if addsPrefixSpace, !range.isEmpty, text[range.lowerBound] != 0x20 {
        let spaced = [0x20] + text[range]
        return try encodeWords(spaced, 0..<spaced.count, bounds, &work, into: &ids)
      }
      return try encodeWords(text, range, bounds, &work, into: &ids)
    }
    var start = range.lowerBound
    while start < range.upperBound {
      try work.check(bounds, ids)
      let match = try split.first(text, start, range.upperBound, bounds) ?? range.upperBound..<range.upperBound
      for piece in [start..<match.lowerBound, match] where !piece.isEmpty {
        try encodePieces(text, piece, splits.dropFirst(), bounds, &work, into: &ids)
      }
      start = match.upperBound
    }
  }

  private func encodeWords(
    _ text: [UInt8], _ range: Range<Int>, _ bounds: EncodingBounds, _ work: inout Work, into ids: inout [Int32]
  ) throws(TokenizerError) {
    var start = range.lowerBound
    while start < range.upperBound {
      try work.check(bounds, ids)
      let match = try pattern.first(text, start, range.upperBound, bounds) ?? range.upperBound..<range.upperBound
      if start < match.lowerBound { try encodeWord(text, start..<match.lowerBound, bounds, &work, into: &ids) }
      if !match.isEmpty { try encodeWord(text, match, bounds, &work, into: &ids) }
      start = match.upperBound
    }
  }

  private func encodeWord(
    _ text: [UInt8], _ word: Range<Int>, _ bounds: EncodingBounds, _ work: inout Work, into ids: inout [Int32]
  ) throws(TokenizerError) {
    if prefersWholeWords, word.count <= longestPiece {
      let id = table.find(text, word)
      if id >= 0 {
        ids.append(id)
        return
      }
    }
    work.merger.removeAll()
    for i in word {
      var id = byteIds[Int(text[i])]
      if id < 0 {
        guard let unknownId else { continue }
        id = unknownId
      }
      try work.merger.append(i..<i + 1, id: id)
    }
    guard !work.merger.symbols.isEmpty else { return }
    if let rules {
      var pairs = PairRules(table: rules)
      try work.merger.merge(text, &pairs, bounds)
    } else {
      var ranks = RankRules(model: self)
      try work.merger.merge(text, &ranks, bounds)
    }
    var index: Int32 = 0
    while index >= 0 {
      ids.append(work.merger.symbols[Int(index)].id)
      index = work.merger.symbols[Int(index)].next
    }
  }

  private struct PairRules: MergeRules {
    let table: PairTable
    func merge(_ left: Symbol, _ right: Symbol, in text: [UInt8]) -> (rank: UInt32, id: Int32)? { table.find(left.id, right.id) }
  }

  private struct RankRules: MergeRules {
    let model: ByteLevelBPE
    func merge(_ left: Symbol, _ right: Symbol, in text: [UInt8]) -> (rank: UInt32, id: Int32)? {
      let length = Int(left.length) + Int(right.length)
      guard length <= model.longestPiece else { return nil }
      let id = model.table.find(text, Int(left.start)..<Int(left.start) + length)
      return id >= 0 ? (UInt32(id), id) : nil
    }
  }
}
