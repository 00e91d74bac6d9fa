// SPDX-License-Identifier: Apache-2.0
import Shims

extension ScalarKernels {
  /// `attention` with 12-bit integers: queries and keys are scaled by the token's largest value in the head, values by the channel's largest in a
  /// block of 64 keys; softmax weights have 14 bits.
  ///
  /// Order of operations, the same in every variant:
  /// - q, k → x · (2047 / max|x|) over a head's values of a token, rounded half to even; scale max|x| / 2047;
  /// - score s_j = Float(Σ q·k) · keyScale_j · (queryScale · (scale · log₂ e)), exact int32 sums (2047² · 256 < 2³¹); then
  ///   fma(bias, log₂ e, s_j) with the relative position bias, if any;
  /// - m' = max(m, the block's visible scores), c = 2^(m − m'), p_j = 2^(s_j − (m' − 14)) rounded;
  /// - the sum of weights runs in 16 lanes, lane j mod 16: l ← l · c, then l ← l + Float(Σ p of the lane);
  /// - v → v · (2047 / max|v|), the maximum over the block's keys for each d; scale max|v| / 2047;
  /// - o_d ← o_d · c, then o_d ← fma(Float(Σ p·v), valueScale_d, o_d) (2¹⁴ · 2047 · 64 < 2³¹); at the end o_d · (1 / total), the lanes
  ///   folded 16 → 8 → 4 → 2 → 1.
  /// A block's value scales cover all its keys, hidden ones too, so a causal query's output may depend on keys that it does not see. Maxima below
  /// 1e-30 make zeros.
  static func attentionInt12(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    let a = arguments.pointee
    guard let query = a.query, let keys = a.key, let values = a.value, let output = a.output, a.heads > 0 else { return }
    let headSize = Int(a.headSize)
    let kvOffset = head * Int(a.kvHeads) / Int(a.heads) * a.headStride
    let steps: Int32 = 2047

    @inline(__always)
    func element(_ base: UnsafeRawPointer, _ token: Int, _ d: Int) -> Float {
      ScalarKernels.element(base, a.rows, token * a.tokenStride + kvOffset + d)
    }

    for i in firstQuery..<endQuery {
      let q = query + i * a.queryStride + head * headSize
      let o = output + i * a.outputStride + head * headSize
      let visible = a.causalStart < 0 ? Int(a.keys) : Swift.min(Int(a.keys), Int(a.causalStart) + i + 1)
      let (queryInverse, queryScale) = scales(steps: Float(steps), count: headSize) { q[$0] }
      var maximum = -Float.infinity
      var sums = SIMD16<Float>()
      for d in 0..<headSize { o[d] = 0 }
      var start = 0
      while start < visible {
        let inBlock = Swift.min(64, Int(a.keys) - start)
        let count = Swift.min(64, visible - start)
        var scores = SIMD64<Float>()
        let previous = maximum
        for j in 0..<count {
          let (inverse, scale) = scales(steps: Float(steps), count: headSize) { element(keys, start + j, $0) }
          var dot: Int32 = 0
          for d in 0..<headSize {
            dot &+= rounded(q[d], queryInverse, steps) &* rounded(element(keys, start + j, d), inverse, steps)
          }
          var s = Float(dot) * scale * (queryScale * (a.scale * log2e))
          if let bias = bias(a, head, i, start + j) { s = s.addingProduct(bias, log2e) }
          scores[j] = s
          maximum = s > maximum ? s : maximum
        }
        let correction = powerOfTwo(previous - maximum)
        var weights = SIMD64<Int32>()
        var totals = SIMD16<Int32>()
        for j in 0..<count {
          weights[j] = rounded(powerOfTwo(scores[j] - (maximum - 14)), 1, 1 << 14)
          totals[j & 15] &+= weights[j]
        }
        for lane in 0..<16 { sums[lane] = sums[lane] * correction + Float(totals[lane]) }
        for d in 0..<headSize {
          let (inverse, scale) = scales(steps: 2047, count: inBlock) { element(values, start + $0, d) }
          var dot: Int32 = 0
          for j in 0..<count { dot &+= weights[j] &* rounded(element(values, start + j, d), inverse, 2047) }
          o[d] = (o[d] * correction).addingProduct(Float(dot), scale)
        }
        start += 64
      }
      let inverse = visible > 0 ? 1 / foldedSum(sums) : 0
      for d in 0..<headSize { o[d] *= inverse }
    }
  }

  /// The quantisation scale that maps the largest of `count` values to ±`steps`, and its inverse.
  @inline(__always)
  static func scales(steps: Float, count: Int, _ value: (Int) -> Float) -> (inverse: Float, scale: Float) {
    var largest: Float = 0
    for i in 0..<count { largest = value(i).magnitude > largest ? value(i).magnitude : largest }
    return largest < 1e-30 ? (0, 0) : (steps / largest, largest / steps)
  }

  @inline(__always)
  static func rounded(_ x: Float, _ inverse: Float, _ limit: Int32) -> Int32 {
    let sum = x * inverse + roundingShift
    let value = Int32(truncatingIfNeeded: sum.bitPattern) &- Int32(bitPattern: roundingShift.bitPattern)
    return Swift.min(limit, Swift.max(-limit, value))
  }
}

/// Integer attention keeps scores in units of ln 2: 2ˣ is cheaper than eˣ.
let log2e: Float = 1.442_695_04
