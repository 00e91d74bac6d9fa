// SPDX-License-Identifier: Apache-2.0

/// Merge rules of a vocabulary that lists them: pair of ids → rank and id of the result. Open addressing, guarded like `ByteStringTable`.
struct PairTable {
  private struct Slot {
    var left, right: Int32
    var rank: UInt32
    /// Result; −1 marks an empty slot.
    var id: Int32
  }

  private static var seeds: [UInt64] { [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9] }

  private var slots: [Slot] = []
  private var seed: UInt64 = 0

  /// - Parameter rules: by rank. Of two rules for one pair the later counts, as in HF tokenizers.
  init(_ rules: [(left: Int32, right: Int32, id: Int32)]) throws(TokenizerError) {
    guard rules.count < Int(Int32.max) / 4 else { throw .tooManyPieces(rules.count) }
    for seed in Self.seeds where fill(rules, seed) { return }
    throw .unhashable
  }

  private mutating func fill(_ rules: [(left: Int32, right: Int32, id: Int32)], _ seed: UInt64) -> Bool {
    self.seed = seed
    var capacity = 16
    while capacity < 2 * rules.count { capacity *= 2 }
    slots = [Slot](repeating: Slot(left: 0, right: 0, rank: 0, id: -1), count: capacity)
    for (rank, rule) in rules.enumerated() {
      var i = slot(rule.left, rule.right)
      var probes = 0
      while slots[i].id >= 0, slots[i].left != rule.left || slots[i].right != rule.right {
        i = (i + 1) & (capacity - 1)
        probes += 1
        if probes == ByteStringTable.probeLimit { return false }
      }
      slots[i] = Slot(left: rule.left, right: rule.right, rank: UInt32(rank), id: rule.id)
    }
    return true
  }

  /// Parses lines "left right". A piece holds no space, so the first space separates the two.
  /// - Parameters:
  ///   - bytes: the piece that a range of `list` spells, nil where it is invalid.
  ///   - find: its id, or −1.
  static func parse(
    _ list: ByteStrings, bytes: (Range<Int>) -> [UInt8]?, find: ([UInt8]) -> Int32
  ) throws(TokenizerError) -> [(left: Int32, right: Int32, id: Int32)] {
    var rules: [(left: Int32, right: Int32, id: Int32)] = []
    rules.reserveCapacity(list.count)
    for rank in 0..<list.count {
      let line = list.range(rank)
      guard let space = list.bytes[line].firstIndex(of: 0x20), let left = bytes(line.lowerBound..<space),
        let right = bytes(space + 1..<line.upperBound)
      else { throw .invalidMerge(rank: rank) }
      let ids = (left: find(left), right: find(right), id: find(left + right))
      guard ids.left >= 0, ids.right >= 0, ids.id >= 0 else { throw .invalidMerge(rank: rank) }
      rules.append(ids)
    }
    return rules
  }

  func find(_ left: Int32, _ right: Int32) -> (rank: UInt32, id: Int32)? {
    var i = slot(left, right)
    while slots[i].id >= 0 {
      if slots[i].left == left, slots[i].right == right { return (slots[i].rank, slots[i].id) }
      i = (i + 1) & (slots.count - 1)
    }
    return nil
  }

  private func slot(_ left: Int32, _ right: Int32) -> Int {
    var h = (UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))) &* seed
    h ^= h >> 29
    h = h &* 0xD6E8_FEB8_6659_FD93
    return Int(h >> 33) & (slots.count - 1)
  }
}
