// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

extension VectorKernels {
  /// Reads a block's scales, its first `count` bytes, before the weights that follow them. The hardware prefetcher then sees one stream of rising
  /// addresses; scales read only where they are needed would be a second stream, and it stops following either.
  @inline(__always)
  static func touchScales(_ block: UnsafeRawPointer, _ count: Int) {
    var i = 0
    while i < count {
      touch_line(block + i)
      i += 64
    }
  }

  /// Bytes that cover a microsecond of reading.
  @inline(__always) static var streamAhead: Int { 16 << 10 }

  /// Fetches `bytes` of weights that stand `ahead` behind `w`. Where a core waits for memory the hardware prefetcher alone reaches three quarters
  /// of the bandwidth; with this it is reached. Behind the end of a mapping a prefetch does nothing.
  @inline(__always)
  static func prefetchWeights(_ w: UnsafeRawPointer, _ bytes: Int, ahead: Int = streamAhead) {
    var line = 0
    while line < bytes {  // unrolled
      fovea_prefetch_second(w + ahead + line)
      line += 64
    }
  }
}
#endif
