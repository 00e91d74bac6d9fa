// SPDX-License-Identifier: Apache-2.0

/// Numbers distinct sequences from 0. Open addressing, at most half full.
struct SequenceTable<Element: FixedWidthInteger & UnsignedInteger> {
  private(set) var elements: [Element] = []
  private var ends: [Int] = []
  private var hashes: [UInt32] = []
  private var slots: [Int32] = Array(repeating: -1, count: 16)

  var count: Int { ends.count }
  var byteCount: Int { elements.count * MemoryLayout<Element>.stride + ends.count * 12 + slots.count * 4 }

  /// Range of a sequence's elements in `elements`.
  func range(_ number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

  subscript(number: Int) -> ArraySlice<Element> { elements[range(number)] }

  func find(_ sequence: some Collection<Element>) -> Int? {
    let h = Self.hash(sequence)
    var i = Int(h) & (slots.count - 1)
    while slots[i] >= 0 {
      let number = Int(slots[i])
      if hashes[number] == h, elements[range(number)].elementsEqual(sequence) { return number }
      i = (i + 1) & (slots.count - 1)
    }
    return nil
  }

  mutating func number(of sequence: some Collection<Element>) -> Int {
    if let found = find(sequence) { return found }
    let h = Self.hash(sequence)
    elements.append(contentsOf: sequence)
    ends.append(elements.count)
    hashes.append(h)
    if 2 * ends.count > slots.count { grow() } else { place(ends.count - 1) }
    return ends.count - 1
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: 2 * slots.count)
    for number in 0..<ends.count { place(number) }
  }

  private mutating func place(_ number: Int) {
    var i = Int(hashes[number]) & (slots.count - 1)
    while slots[i] >= 0 { i = (i + 1) & (slots.count - 1) }
    slots[i] = Int32(number)
  }

  private static func hash(_ sequence: some Collection<Element>) -> UInt32 {
    var h: UInt64 = 0x9E37_79B9_7F4A_7C15
    for element in sequence {
      h = (h ^ UInt64(truncatingIfNeeded: element)) &* 0xD6E8_FEB8_6659_FD93
      h ^= h >> 29
    }
    h = (h ^ UInt64(sequence.count)) &* 0x9E37_79B9_7F4A_7C15
    return UInt32(truncatingIfNeeded: h >> 32)
  }
}
