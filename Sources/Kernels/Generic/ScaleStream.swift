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
}
#endif
