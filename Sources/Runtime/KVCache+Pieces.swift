// SPDX-License-Identifier: Apache-2.0
import Shims

/// Raw access to a cache's memory, to copy, save and restore it.
extension KVCache {
  /// Calls `body` with each contiguous piece of memory that holds `positions`, always in the same order; not at all where they exceed `capacity`.
  package func forEachPiece<E: Error>(
    positions: Range<Int>, _ body: (_ memory: UnsafeMutableRawPointer, _ byteCount: Int) throws(E) -> Void
  ) throws(E) {
    let (first, count) = (positions.lowerBound, positions.count)
    guard count > 0, first >= 0, positions.upperBound <= capacity else { return }
    let row = type.rowBytes(headSize: widestHead) &- (type == .int8 ? MemoryLayout<Float>.stride : 0)
    for layer in 0..<layers {
      for base in [keys(layer: layer), values(layer: layer)] {
        for head in 0..<kvHeads { try body(base + (head &* capacity &+ first) &* row, count &* row) }
        guard type == .int8 else { continue }
        for head in 0..<kvHeads {
          try body(UnsafeMutableRawPointer(scales(behind: base) + head &* capacity + first), count &* MemoryLayout<Float>.stride)
        }
      }
    }
  }

  /// Bytes and number of the pieces of the first `positions`.
  package func pieces(positions: Int) -> (bytes: Int, count: Int) {
    guard positions > 0 else { return (0, 0) }
    return (byteCount / capacity &* positions, 2 &* layers &* kvHeads &* (type == .int8 ? 2 : 1))
  }

  /// Copies all that `other` holds, a cache of the same decoder, type and capacity; does nothing where the sizes differ.
  /// - Parameter first: positions before it are equal already and not copied.
  package func copy(_ other: KVCache, from first: Int = 0) {
    guard byteCount == other.byteCount, capacity == other.capacity else { return }
    let start = keys(layer: 0)
    let from = other.keys(layer: 0)
    other.forEachPiece(positions: min(first, other.length)..<other.length) { (memory, count) throws(Never) in
      memcpy(start + (memory - from), memory, count)
    }
    hold(other.length, ropeTable: other.ropeTable)
  }

  /// The first `length` positions have been written from outside.
  /// - Parameter ropeTable: the RoPE table that the keys were rotated with.
  package func hold(_ length: Int, ropeTable: Int) {
    setLength(min(max(length, 0), capacity))
    if length > reached { reach(min(length, capacity)) }
    self.ropeTable = ropeTable
  }
}
