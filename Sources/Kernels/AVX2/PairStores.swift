// SPDX-License-Identifier: Apache-2.0
#if arch(x86_64)

/// How numbers of 8 bits are put down in pairs of int16, the same with AVX2 and SSE4.1.
extension IntegerLanes {
  @inline(__always) static var quadOffset: Int32 { 0 }
  /// Bias subtracted from stored attention weights.
  @inline(__always) static var weightOffset: Int32 { 0 }

  /// Four keys' values in two pairs, the second one `step` rows of pairs on.
  @inline(__always) static func storeBytes(
    _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, to p: UnsafeMutablePointer<Int32>, step: Int
  ) {
    a.paired(b).store(p)
    c.paired(d).store(p + step)
  }

  /// 64 weights to pairs: lane i's of a and b, after those of all lanes the ones of c and d.
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
