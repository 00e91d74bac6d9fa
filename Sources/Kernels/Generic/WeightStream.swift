// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

extension VectorKernels {
  /// Reads a block's scales, its first `count` bytes, before the weights that follow them. The hardware prefetcher then sees one stream of rising
  /// addresses; scales read in between would be a second stream, and it would follow neither.
  @inline(__always)
  static func touchScales(_ block: UnsafeRawPointer, _ count: Int) {
    var i = 0
    while i < count {
      touch_line(block + i)
      i += 64
    }
  }

  /// Prefetch distance in bytes: about a microsecond of reading.
  @inline(__always) static var streamAhead: Int { 16 << 10 }

  /// Prefetches `bytes` of weights from `w + streamAhead` on. Where a core waits for memory, the hardware prefetcher alone reaches three quarters of the
  /// bandwidth; this reaches the rest. Nothing is prefetched where the weights come from a cache.
  @inline(__always)
  static func prefetchWeights(_ a: LinearArguments, _ w: UnsafeRawPointer, _ bytes: Int) {
    if a.prefetches != 0 { prefetch(w + streamAhead, bytes) }
  }

  /// Prefetches `bytes` from `w` on. Past the end of a mapping a prefetch does nothing.
  @inline(__always)
  static func prefetch(_ w: UnsafeRawPointer, _ bytes: Int) {
    var line = 0
    while line < bytes {  // unrolled
      fovea_prefetch_second(w + line)
      line += 64
    }
  }
}
#endif
