// SPDX-License-Identifier: Apache-2.0

/// Hash table from the bytes of a piece to its id: open addressing, at most half full.
///
/// A weight file may hold pieces made to collide, so a probe sequence is limited to `probeLimit` slots. A table that needs more is
/// rebuilt with another seed, and refused after `seeds.count` tries. At load ≤ ½, no vocabulary that fits an Int32 reaches the
/// limit by chance.
struct ByteStringTable {
  private struct Slot {
    var hash: UInt32
    var id: Int32
  }

  static let probeLimit = 256
  private static var seeds: [UInt64] { [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0xD6E8_FEB8_6659_FD93] }

  let strings: ByteStrings
  private var slots: [Slot]
  private var seed: UInt64

  /// Inserts the entries of `strings` that `isIncluded` selects. Throws on duplicates.
  init(_ strings: ByteStrings, where isIncluded: (Int) -> Bool) throws(TokenizerError) {
    self.strings = strings
    slots = []
    seed = 0
    guard strings.count < Int(Int32.max) / 4 else { throw .tooManyPieces(strings.count) }
    for seed in Self.seeds {
      self.seed = seed
      if try fill(where: isIncluded) { return }
    }
    throw .unhashable
  }

  private mutating func fill(where isIncluded: (Int) -> Bool) throws(TokenizerError) -> Bool {
    var capacity = 16
    while capacity < 2 * strings.count { capacity *= 2 }
    slots = [Slot](repeating: Slot(hash: 0, id: -1), count: capacity)
    for id in 0..<strings.count where isIncluded(id) {
      let h = hash(strings.bytes, strings.range(id))
      var i = Int(h) & (capacity - 1)
      var probes = 0
      while slots[i].id >= 0 {
        if slots[i].hash == h, strings.equals(Int(slots[i].id), strings.bytes, strings.range(id)) {
          throw .duplicatePiece(id: id)
        }
        i = (i + 1) & (capacity - 1)
        probes += 1
        if probes == Self.probeLimit { return false }
      }
      slots[i] = Slot(hash: h, id: Int32(id))
    }
    return true
  }

  /// The id of the piece `text[range]`, or −1.
  func find(_ text: [UInt8], _ range: Range<Int>) -> Int32 {
    let h = hash(text, range)
    var i = Int(h) & (slots.count - 1)
    while slots[i].id >= 0 {
      if slots[i].hash == h, strings.equals(Int(slots[i].id), text, range) { return slots[i].id }
      i = (i + 1) & (slots.count - 1)
    }
    return -1
  }

  private func hash(_ text: [UInt8], _ range: Range<Int>) -> UInt32 {
    var h = seed
    for i in range { h = (h ^ UInt64(text[i])) &* 0x100_0000_01B3 }
    h ^= h >> 32
    h = h &* 0xD6E8_FEB8_6659_FD93
    return UInt32(truncatingIfNeeded: h >> 32)
  }
}
