// SPDX-License-Identifier: Apache-2.0
import Shims

/// Read bandwidth of this machine's memory: the upper bound of decoding, which reads every weight once per token.
///
/// A shared machine's speed changes from one second to the next: measure what is compared with it between two passes.
package final class MemoryBandwidth {
  private static let piece = 1 << 20

  private let pool: ThreadPool
  private let pieces: Int
  private let memory, sums: MemoryBlock

  /// - Parameters:
  ///   - pool: its threads read together.
  ///   - bytes: size of what is read, several times the last-level cache. It stays resident as long as this object.
  package init(pool: ThreadPool, bytes: Int = 512 << 20) throws(RuntimeError) {
    self.pool = pool
    pieces = max(bytes / MemoryBandwidth.piece, 1)
    memory = try MemoryBlock(pieces * MemoryBandwidth.piece, .whole)
    sums = try MemoryBlock(pieces * 64, .whole)
    // Written first: unwritten pages all read the one zero page, from cache.
    let memory = memory
    pool.run(pieces) { i in
      (memory.base + i * MemoryBandwidth.piece).initializeMemory(as: UInt64.self, repeating: UInt64(i), count: MemoryBandwidth.piece / 8)
    }
  }

  package convenience init(threads: Int?, bytes: Int = 512 << 20) throws(RuntimeError) {
    try self.init(pool: ThreadPool(threads: threads), bytes: bytes)
  }

  /// Reads everything `passes` times and takes the fastest.
  /// - Returns: bytes a second.
  package func measure(passes: Int = 3) -> Double {
    var best = UInt64.max
    let (memory, sums) = (memory, sums)
    for _ in 0..<max(passes, 1) {
      let start = monotonic_nanoseconds()
      pool.run(pieces) { i in
        // Kept, so that the sums are computed; a cache line each.
        (sums.base + i * 64).storeBytes(
          of: MemoryBandwidth.sum(memory.base + i * MemoryBandwidth.piece, MemoryBandwidth.piece), as: UInt64.self)
      }
      best = min(best, monotonic_nanoseconds() &- start)
    }
    return Double(pieces * MemoryBandwidth.piece) / (Double(max(best, 1)) / 1e9)
  }

  private static func sum(_ base: UnsafeMutableRawPointer, _ bytes: Int) -> UInt64 {
    var (a, b, c, d) = (SIMD8<UInt64>(), SIMD8<UInt64>(), SIMD8<UInt64>(), SIMD8<UInt64>())
    var i = 0
    while i < bytes {
      a &+= base.load(fromByteOffset: i, as: SIMD8<UInt64>.self)
      b &+= base.load(fromByteOffset: i + 64, as: SIMD8<UInt64>.self)
      c &+= base.load(fromByteOffset: i + 128, as: SIMD8<UInt64>.self)
      d &+= base.load(fromByteOffset: i + 192, as: SIMD8<UInt64>.self)
      i &+= 256
    }
    return (a &+ b &+ c &+ d).wrappedSum()
  }
}
