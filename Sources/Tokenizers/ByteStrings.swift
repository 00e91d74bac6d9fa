// SPDX-License-Identifier: Apache-2.0

/// Many byte strings stored one after another: a vocabulary without one object per entry.
package struct ByteStrings {
  private(set) var bytes: [UInt8] = []
  /// `count + 1` offsets into `bytes`, ascending from 0.
  private var offsets: [Int] = [0]

  package init() {}

  /// - Parameter offsets: entry i is `bytes[offsets[i] ..< offsets[i + 1]]`; one more offset than entries.
  package init(bytes: [UInt8], offsets: [Int]) throws(TokenizerError) {
    guard offsets.first == 0 else { throw .invalidOffsets(index: 0) }
    for i in 1..<max(1, offsets.count) where offsets[i] < offsets[i - 1] { throw .invalidOffsets(index: i) }
    guard offsets.last == bytes.count else { throw .invalidOffsets(index: offsets.count - 1) }
    self.bytes = bytes
    self.offsets = offsets
  }

  package init(_ strings: [String]) {
    for s in strings { append(s.utf8) }
  }

  package mutating func append(_ string: some Sequence<UInt8>) {
    bytes.append(contentsOf: string)
    offsets.append(bytes.count)
  }

  package var count: Int { offsets.count - 1 }

  /// Entry `index`; must be in `0 ..< count`.
  package subscript(index: Int) -> ArraySlice<UInt8> { bytes[range(index)] }

  func range(_ index: Int) -> Range<Int> { offsets[index]..<offsets[index + 1] }

  /// Whether entry `index` equals `text[range]`.
  func equals(_ index: Int, _ text: [UInt8], _ range: Range<Int>) -> Bool {
    let mine = self.range(index)
    guard mine.count == range.count else { return false }
    let shift = range.lowerBound - mine.lowerBound
    for i in mine where bytes[i] != text[i + shift] { return false }
    return true
  }

  /// Order of entries `a` and `b` as byte strings.
  func precedes(_ a: Int, _ b: Int) -> Bool { self[a].lexicographicallyPrecedes(self[b]) }
}
