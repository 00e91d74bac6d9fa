// SPDX-License-Identifier: Apache-2.0
import Shims

extension ScalarKernels {
  /// `attention` with 8-bit integers: queries and keys are scaled by the token's largest value in the head, softmax weights by the largest in a block
  /// of 64 keys, values by the channel's largest in the block.
  ///
  /// Order of operations, the same in every variant:
  /// - q, k → x · (127 / max|x|) over a head's values of a token, rounded half to even; scale max|x| / 127;
  /// - score t_j = Float(Σ q·k) · keyScale_j in units of u = queryScale · (scale · log₂ e); with a relative position bias
  ///   t_j ← fma(t_j, u, bias · log₂ e) and u ← 1;
  /// - the block's largest score T, b = T · u; weights are relative to m: m' = b where b > m + 64 (at first m is −∞), else m;
  ///   f = 2^(b − m'), c = 2^(m − m');
  /// - weight p_j = `weight` of fma(t_j − T, −4096 · u, 2²³), 0 … 255;
  /// - the sum of weights runs in 16 lanes, lane j mod 16: l ← l · c, then l ← fma(Float(Σ p of the lane), f, l);
  /// - v → v · (127 / max|v|), the maximum over the block's keys for each d; scale max|v| / 127;
  /// - o_d ← o_d · c, then o_d ← fma(Float(Σ p·v), valueScale_d · f, o_d); at the end o_d · (1 / total), the lanes folded 16 → 8 → 4 → 2 → 1.
  /// As in `attentionInt12`, value scales cover hidden keys too; maxima below 1e-30 make zeros.
  ///
  /// RMS error against exact softmax of the same scores, 196 to 4096 keys: 0.6 % under flat weights, where values average out; 1 % for scores with a
  /// standard deviation of 1 to 3; 1.8 % where one key outweighs many. Quantising the output itself to 8 bits costs 0.6 %. Weights scaled by the
  /// largest of all keys, not of the block, would lose the tail of small ones: 50 % in the last case, with 577 keys.
  static func attentionInt8(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    let a = arguments.pointee
    guard let query = a.query, let keys = a.key, let values = a.value, let output = a.output, a.heads > 0 else { return }
    let headSize = Int(a.headSize)
    let kvOffset = head * Int(a.kvHeads) / Int(a.heads) * a.headStride

    @inline(__always)
    func element(_ base: UnsafeRawPointer, _ token: Int, _ d: Int) -> Float {
      ScalarKernels.element(base, a.rows, token * a.tokenStride + kvOffset + d)
    }

    for i in firstQuery..<endQuery {
      let q = query + i * a.queryStride + head * headSize
      let o = output + i * a.outputStride + head * headSize
      let visible = a.causalStart < 0 ? Int(a.keys) : Swift.min(Int(a.keys), Int(a.causalStart) + i + 1)
      let (queryInverse, queryScale) = scales(steps: 127, count: headSize) { q[$0] }
      var reference = -Float.infinity
      var sums = SIMD16<Float>()
      for d in 0..<headSize { o[d] = 0 }
      var start = 0
      while start < visible {
        let inBlock = Swift.min(64, Int(a.keys) - start)
        let count = Swift.min(64, visible - start)
        var scores = SIMD64<Float>()
        var step = queryScale * (a.scale * log2e)
        var largest = -Float.infinity
        for j in 0..<count {
          let (inverse, scale) = scales(steps: 127, count: headSize) { element(keys, start + j, $0) }
          var dot: Int32 = 0
          for d in 0..<headSize {
            dot &+= rounded(q[d], queryInverse, 127) &* rounded(element(keys, start + j, d), inverse, 127)
          }
          var t = Float(dot) * scale
          if let bias = bias(a, head, i, start + j) { t = (bias * log2e).addingProduct(t, step) }
          scores[j] = t
          largest = t > largest ? t : largest
        }
        if a.rowBias != nil { step = 1 }
        let previous = reference
        if previous + 64 < largest * step { reference = largest * step }
        let (factor, correction) = (powerOfTwo(largest * step - reference), powerOfTwo(previous - reference))
        var weights = SIMD64<Int32>()
        var totals = SIMD16<Int32>()
        for j in 0..<count {
          weights[j] = weight(Float(8_388_608).addingProduct(scores[j] - largest, step * -4096), key: start + j)
          totals[j & 15] &+= weights[j]
        }
        for lane in 0..<16 { sums[lane] = (sums[lane] * correction).addingProduct(Float(totals[lane]), factor) }
        for d in 0..<headSize {
          let (inverse, scale) = scales(steps: 127, count: inBlock) { element(values, start + $0, d) }
          var dot: Int32 = 0
          for j in 0..<count { dot &+= weights[j] &* rounded(element(values, start + j, d), inverse, 127) }
          o[d] = (o[d] * correction).addingProduct(Float(dot), scale * factor)
        }
        start += 64
      }
      let inverse = visible > 0 ? 1 / foldedSum(sums) : 0
      for d in 0..<headSize { o[d] *= inverse }
    }
  }

  /// 255 · 2^(−n / 4096), 0 … 255, where n = y − 2²³ ≥ 0 is clamped to 65 535.
  ///
  /// 2^−r for the fraction r of n / 4096 is the parabola 1 − r · (0.6716 − 0.1716 · r), exact at 0 and 1, else within 0.3 %. Dithered: truncated, not
  /// rounded, after adding a fraction of 256 that depends on the key and is spread evenly over neighbours. Sums of many small weights come out right,
  /// where rounding would make all of them 0 or all of them 1.
  @inline(__always)
  private static func weight(_ y: Float, key: Int) -> Int32 {
    let y = (y < 8_388_608 + 65_535 ? y : 8_388_608 + 65_535).bitPattern & 0xFFFF
    let fraction = y &<< 4 & 0xFFFF
    let slope = 43_842 &- (fraction &* 11_202) &>> 16
    let parabola = 65_280 &- (fraction &* slope) &>> 16
    return Int32(truncatingIfNeeded: (parabola &>> (y &>> 12) &+ UInt32(truncatingIfNeeded: key &* 159 & 255)) &>> 8)
  }
}
