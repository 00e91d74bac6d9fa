// SPDX-License-Identifier: Apache-2.0

/// Byte-pair encoding as the sentencepiece package does it (Kudo and Richardson, arXiv:1808.06226; BPE: arXiv:1508.07909).
///
/// Immutable after `init`, so any number of threads may use one.
package final class SentencePieceBPE: Sendable {
  enum PieceType: UInt8 {
    case normal = 1, unknown, control, userDefined, unused, byte
  }

  let pieces: ByteStrings
  let types: [PieceType]
  let unknownId: Int32
  let unknownSurface: [UInt8]
  let addsDummyPrefix: Bool
  let removesExtraWhitespaces: Bool
  let escapesWhitespaces: Bool
  let prefixRule: DummyPrefixRule
  let characterMap: CharacterMap?
  /// Matches user-defined symbols.
  let symbols: PrefixMatcher
  /// Id of the piece of each byte; empty without byte fallback.
  let byteIds: [Int32]
  /// The byte of a byte piece.
  let byteValues: [UInt8]

  /// Pieces that text can become: normal, user-defined and unused.
  private let table: ByteStringTable
  /// Unknown, control and byte pieces, by text.
  private let reserved: ByteStringTable
  /// Rank of each piece: 0 for the highest score; equal scores share one.
  private let ranks: [UInt32]
  /// The listed merges; nil: merges follow the scores.
  private let pairs: PairTable?
  private let longestPiece: Int
  /// Index of each unused piece among the unused ones, else −1. Empty if there are none.
  private let unusedIndex: [Int32]
  private let unusedCount: Int
  /// No piece has a space mark after another character, so no merge crosses a word border.
  private let mergesWithinWords: Bool

  /// Longest piece accepted, in bytes. Real ones are below 150; the limit bounds the work of one look-up.
  package static var pieceLimit: Int { 4096 }

  package init(_ v: SentencePieceVocabulary, prefixRule: DummyPrefixRule = .everySegment) throws(TokenizerError) {
    let count = v.pieces.count
    guard v.scores.count == count else { throw .countMismatch(list: "scores", expected: count, found: v.scores.count) }
    guard v.types.count == count else { throw .countMismatch(list: "types", expected: count, found: v.types.count) }
    var types: [PieceType] = []
    types.reserveCapacity(count)
    var unknowns: [Int32] = []
    var unused: [Int32] = []
    var defined: [Int32] = []
    var byteIds: [Int32] = []
    var byteValues: [UInt8] = []
    var longest = 0
    var crossing = false
    for id in 0..<count {
      guard let type = PieceType(rawValue: v.types[id]) else { throw .invalidType(id: id, type: Int(v.types[id])) }
      guard v.scores[id].isFinite else { throw .invalidScore(id: id) }
      let range = v.pieces.range(id)
      guard !range.isEmpty else { throw .invalidPiece(id: id, reason: "is empty") }
      guard range.count <= Self.pieceLimit else { throw .invalidPiece(id: id, reason: "is too long") }
      guard UTF8Scalars.firstInvalid(v.pieces.bytes, range) == nil else {
        throw .invalidPiece(id: id, reason: "is not UTF-8")
      }
      types.append(type)
      switch type {
      case .unknown: unknowns.append(Int32(id))
      case .byte:
        guard let byte = Self.byteValue(v.pieces.bytes, range) else {
          throw .invalidPiece(id: id, reason: "is a byte piece, but not of the form <0xAB>")
        }
        if byteIds.isEmpty {
          byteIds = [Int32](repeating: -1, count: 256)
          byteValues = [UInt8](repeating: 0, count: count)
        }
        byteIds[Int(byte)] = Int32(id)
        byteValues[id] = byte
      case .userDefined: defined.append(Int32(id))
      case .unused: unused.append(Int32(id))
      case .normal, .control: break
      }
      if type == .normal || type == .unused || type == .userDefined {
        longest = max(longest, range.count)
        crossing = crossing || Self.hasInnerSpace(v.pieces.bytes, range)
      }
    }
    guard unknowns.count == 1 else { throw .unknownPieceCount(unknowns.count) }
    if let byte = byteIds.firstIndex(of: -1) { throw .missingBytePiece(byte: byte) }

    var unusedIndex: [Int32] = []
    if !unused.isEmpty {
      unusedIndex = [Int32](repeating: -1, count: count)
      for (i, id) in unused.enumerated() { unusedIndex[Int(id)] = Int32(i) }
    }
    let all = types
    table = try ByteStringTable(v.pieces) { all[$0] == .normal || all[$0] == .userDefined || all[$0] == .unused }
    reserved = try ByteStringTable(v.pieces) { all[$0] == .unknown || all[$0] == .control || all[$0] == .byte }
    characterMap = v.characterMap.isEmpty ? nil : try CharacterMap(v.characterMap)
    symbols = PrefixMatcher(v.pieces, members: defined)
    ranks = Self.ranks(v.scores)
    if let list = v.merges {
      let (pieces, names) = (table, reserved)
      let rules = try PairTable.parse(list, bytes: { Array(list.bytes[$0]) }) { piece in
        let id = pieces.find(piece, 0..<piece.count)
        return id >= 0 ? id : names.find(piece, 0..<piece.count)
      }
      pairs = try PairTable(rules)
    } else {
      pairs = nil
    }
    pieces = v.pieces
    self.types = types
    self.byteIds = byteIds
    self.byteValues = byteValues
    self.unusedIndex = unusedIndex
    unusedCount = unused.count
    unknownId = unknowns[0]
    longestPiece = longest
    // A user-defined symbol may hold a space mark and is cut out of the whole text, so words cannot be cut off before.
    mergesWithinWords = v.escapesWhitespaces && unused.isEmpty && !crossing
    unknownSurface = v.unknownSurface
    addsDummyPrefix = v.addsDummyPrefix
    removesExtraWhitespaces = v.removesExtraWhitespaces
    escapesWhitespaces = v.escapesWhitespaces
    self.prefixRule = prefixRule
    if let bad = UTF8Scalars.firstInvalid(v.unknownSurface, 0..<v.unknownSurface.count) { throw .invalidUTF8(offset: bad) }
  }

  /// Id of the piece with these bytes, of any type.
  func id(of piece: [UInt8]) -> Int32? {
    let id = reserved.find(piece, 0..<piece.count)
    if id >= 0 { return id }
    let other = table.find(piece, 0..<piece.count)
    return other >= 0 ? other : nil
  }

  /// Appends the ids of `text[range]`, which must be UTF-8.
  /// - Parameter isFirst: the segment is at the start of the whole text.
  func encode(
    _ text: [UInt8], _ range: Range<Int>, isFirst: Bool, _ bounds: EncodingBounds, into ids: inout [Int32]
  ) throws(TokenizerError) {
    let normal = try normalize(text, range, isFirst: isFirst, bounds)
    var rules = Rules(model: self)
    var merger = PairMerger()
    var lastWasUnknown = false
    var start = 0
    while start < normal.count {
      merger.removeAll()
      var i = start
      repeat {
        try bounds.check(merger.symbols.count)
        if let (_, length) = symbols.longest(normal, at: i, end: normal.count) {
          try merger.append(i..<i + length, id: Symbol.frozen)
          i += length
        } else {
          let length = UTF8Scalars.next(normal, at: i).length
          try append(i..<i + length, normal, to: &merger)
          i += length
        }
      } while i < normal.count && !(mergesWithinWords && isWordStart(normal, i))
      try merger.merge(normal, &rules, bounds)
      emit(merger.symbols, normal, rules, &lastWasUnknown, into: &ids)
      try bounds.check(ids)
      start = i
    }
  }

  /// Adds a character: with the id of its piece, or, where listed pairs of ids merge, with those of its bytes.
  private func append(_ range: Range<Int>, _ text: [UInt8], to merger: inout PairMerger) throws(TokenizerError) {
    let id = pairs == nil ? Symbol.unresolved : table.find(text, range)
    guard pairs != nil, id < 0, !byteIds.isEmpty else { return try merger.append(range, id: id) }
    for i in range { try merger.append(i..<i + 1, id: byteIds[Int(text[i])]) }
  }

  /// Whether a space mark that follows another character is at `i`.
  private func isWordStart(_ text: [UInt8], _ i: Int) -> Bool {
    Self.isSpaceMark(text, i) && !(i >= 3 && Self.isSpaceMark(text, i - 3))
  }

  private func emit(
    _ list: [Symbol], _ text: [UInt8], _ rules: Rules, _ lastWasUnknown: inout Bool, into ids: inout [Int32]
  ) {
    var stack: [Symbol] = []
    var index: Int32 = 0
    while index >= 0 {
      stack.append(list[Int(index)])
      index = list[Int(index)].next
      // An unused piece is replaced by the two it was last merged from, recursively.
      while let s = stack.popLast() {
        var id = s.id >= 0 ? s.id : table.find(text, s.range)
        if id >= 0, types[Int(id)] == .unused {
          if let (left, right) = rules.parts(of: id) {
            stack.append(right)
            stack.append(left)
            continue
          }
          // A single unused character has no parts: it is unknown.
          id = -1
        }
        if id >= 0 {
          ids.append(id)
        } else if !byteIds.isEmpty {
          for i in s.range { ids.append(byteIds[Int(text[i])]) }
        } else if !lastWasUnknown {
          // A run of unknown characters is one unknown id.
          ids.append(unknownId)
        }
        lastWasUnknown = id < 0
      }
    }
  }

  /// Neighbours merge when their concatenation is a piece, highest score first, or as the list of merges says.
  private struct Rules: MergeRules {
    let model: SentencePieceBPE
    /// For each unused piece the two symbols it was last merged from; length 0: none.
    var left: [Symbol]
    var right: [Symbol]

    init(model: SentencePieceBPE) {
      self.model = model
      left = Array(repeating: Symbol(previous: -1, next: -1, start: 0, length: 0, id: -1), count: model.unusedCount)
      right = left
    }

    mutating func merge(_ l: Symbol, _ r: Symbol, in text: [UInt8]) -> (rank: UInt32, id: Int32)? {
      if let pairs = model.pairs { return pairs.find(l.id, r.id) }
      let length = Int(l.length) + Int(r.length)
      guard length <= model.longestPiece else { return nil }
      let id = model.table.find(text, Int(l.start)..<Int(l.start) + length)
      guard id >= 0 else { return nil }
      if let i = unusedIndex(id) {
        left[i] = l
        right[i] = r
      }
      return (model.ranks[Int(id)], id)
    }

    func parts(of id: Int32) -> (Symbol, Symbol)? {
      guard let i = unusedIndex(id), left[i].length > 0 else { return nil }
      return (left[i], right[i])
    }

    private func unusedIndex(_ id: Int32) -> Int? {
      guard !model.unusedIndex.isEmpty, model.unusedIndex[Int(id)] >= 0 else { return nil }
      return Int(model.unusedIndex[Int(id)])
    }
  }

  private static func ranks(_ scores: [Float]) -> [UInt32] {
    let order = (0..<scores.count).sorted { scores[$0] > scores[$1] }
    var ranks = [UInt32](repeating: 0, count: scores.count)
    for i in 1..<max(1, order.count) {
      ranks[order[i]] = ranks[order[i - 1]] + (scores[order[i]] < scores[order[i - 1]] ? 1 : 0)
    }
    return ranks
  }

  /// The byte of a piece "<0xAB>".
  private static func byteValue(_ bytes: [UInt8], _ range: Range<Int>) -> UInt8? {
    func digit(_ c: UInt8) -> UInt8? {
      switch c {
      case 0x30...0x39: c - 0x30
      case 0x41...0x46: c - 0x41 + 10
      default: nil
      }
    }
    let b = Array(bytes[range])
    guard b.count == 6, b[0] == 0x3C, b[1] == 0x30, b[2] == 0x78, b[5] == 0x3E,
      let high = digit(b[3]), let low = digit(b[4])
    else { return nil }
    return high << 4 | low
  }

  private static func hasInnerSpace(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    var i = range.lowerBound
    while i < range.upperBound, isSpaceMark(bytes, i) { i += 3 }
    while i < range.upperBound {
      if isSpaceMark(bytes, i) { return true }
      i += 1
    }
    return false
  }

  /// Whether U+2581 is at `i`.
  static func isSpaceMark(_ text: [UInt8], _ i: Int) -> Bool {
    i + 2 < text.count && text[i] == 0xE2 && text[i + 1] == 0x96 && text[i + 2] == 0x81
  }
}
