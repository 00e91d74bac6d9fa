// SPDX-License-Identifier: Apache-2.0
#if HAS_LANES
import Shims

extension VectorKernels {
  /// Brings a block's scales, its first `count` bytes, into the cache before its weights, which follow them: so the processor sees one stream
  /// from lower to higher addresses, and fetches it ahead. Scales read as they are needed are a second, slow one, with which it gives up on both.
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
