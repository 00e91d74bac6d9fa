// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)

/// Stores of 8-bit integers as pairs of int16, the same for AVX2 and SSE4.1.
extension IntegerLanes {
  @inline(__always) static var quadOffset: Int32 { 0 }
  /// Bias subtracted from stored attention weights.
  @inline(__always) static var weightOffset: Int32 { 0 }

  /// Four keys' values in two pairs, the second one `step` int32 after the first.
  @inline(__always) static func storeBytes(
    _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, to p: UnsafeMutablePointer<Int32>, step: Int
  ) {
    a.paired(b).store(p)
    c.paired(d).store(p + step)
  }

  /// 64 weights to pairs: lane i of a and b in pair i, of c and d in pair 16 + i.
  /// - Returns: their sums, lane by lane.
  @inline(__always) static func storeWeights(
    _ a: Lanes, _ b: Lanes, _ c: Lanes, _ d: Lanes, dither: UnsafePointer<Int32>, to p: UnsafeMutablePointer<Int32>
  ) -> IntegerLanes {
    let (first, second) = (IntegerLanes(dither), IntegerLanes(dither + 16))
    let (a, b) = (weights(a, first.lowWords), weights(b, second.lowWords))
    let (c, d) = (weights(c, first.highWords), weights(d, second.highWords))
    a.paired(b).store(p)
    c.paired(d).store(p + 16)
    return a + b + (c + d)
  }

  /// 16 weights, two neighbours in a pair.
  @inline(__always) static func storeWeights(_ a: Lanes, dither: UnsafePointer<Int32>, to p: UnsafeMutablePointer<Int32>) -> IntegerLanes {
    let weights = weights(a, IntegerLanes(dither).lowWords)
    weights.storeLowWords(UnsafeMutableRawPointer(p).assumingMemoryBound(to: Int16.self))
    return weights
  }
}
#endif
