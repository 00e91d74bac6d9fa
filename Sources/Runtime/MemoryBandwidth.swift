// SPDX-License-Identifier: Apache-2.0
import Shims

/// How fast this machine reads memory: the ceiling of token generation, which reads every weight once a token.
package enum MemoryBandwidth {
  /// Sums a large buffer several times and takes the fastest pass.
  /// - Parameters:
  ///   - pool: its threads read together.
  ///   - bytes: size of the buffer, several times the last-level cache.
  /// - Returns: bytes a second.
  package static func measure(pool: ThreadPool, bytes: Int = 512 << 20, passes: Int = 5) throws(RuntimeError) -> Double {
    let piece = 1 << 20
    let pieces = max(bytes / piece, 1)
    let memory = try PageBlock(pieces * piece, .whole)
    // Written first: unwritten pages all read the one zero page, from cache.
    pool.run(pieces) { i in
      (memory.base + i * piece).initializeMemory(as: UInt64.self, repeating: UInt64(i), count: piece / 8)
    }
    let sums = try PageBlock(pieces * 64, .whole)
    var best = UInt64.max
    for _ in 0..<max(passes, 1) {
      let start = monotonic_nanoseconds()
      pool.run(pieces) { i in
        // Kept, so that the sums are computed; a cache line each.
        (sums.base + i * 64).storeBytes(of: sum(memory.base + i * piece, piece), as: UInt64.self)
      }
      best = min(best, monotonic_nanoseconds() &- start)
    }
    return Double(pieces * piece) / (Double(max(best, 1)) / 1e9)
  }

  package static func measure(threads: Int? = nil, bytes: Int = 512 << 20) throws(RuntimeError) -> Double {
    try measure(pool: ThreadPool(threads: threads), bytes: bytes)
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
