// SPDX-License-Identifier: Apache-2.0
import Shims

extension ScalarKernels {
  /// softmax(scale · q·kᵀ) · v of one head for queries `firstQuery ..< endQuery`, in the arithmetic that the arguments name.
  package static func attention(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    switch arguments.pointee.arithmetic {
    case FOVEA_ATTENTION_INT8: attentionInt8(arguments, head, firstQuery, endQuery)
    case FOVEA_ATTENTION_INT12: attentionInt12(arguments, head, firstQuery, endQuery)
    default: attentionFloat(arguments, head, firstQuery, endQuery)
    }
  }

  /// `attention` in f32, keys visited once in blocks of 64.
  ///
  /// Query i sees its first n keys: all, or min(keys, causalStart + i + 1). Order of operations, the same in every variant:
  /// - score s_j ← fma(q_d · scale, k_jd, s_j) over d ascending, from 0, times the key's scale where it is int8; then s_j + (row bias +
  ///   column bias) where there are any;
  /// - a block's running maximum m' = max(m, its visible scores), correction c = e^(m − m') (m starts at −∞, so c at 0);
  /// - weight p_j = e^(s_j − m'); the sum of weights runs in 16 lanes, lane j mod 16: l ← l · c, then l ← l + p_j, keys ascending;
  /// - output o_d ← o_d · c, then o_d ← fma(p_j, v_jd, o_d) over the block's visible keys ascending, p_j times the value's scale where
  ///   it is int8;
  /// - at the end o_d · (1 / total), the total by folding the lanes 16 → 8 → 4 → 2 → 1. No visible key: zeros.
  /// A block with no visible key changes nothing (c = e⁰ = 1 exactly), so a variant may skip it or not.
  ///
  /// f16 and int8 keys and values are widened exactly. Head h reads key/value head h · kvHeads / heads. `headSize` ≤ `largestHeadSize`, of any value.
  private static func attentionFloat(
    _ arguments: UnsafePointer<AttentionArguments>, _ head: Int, _ firstQuery: Int, _ endQuery: Int
  ) {
    let a = arguments.pointee
    guard let query = a.query, let keys = a.key, let values = a.value, let output = a.output, a.heads > 0 else { return }
    let headSize = Int(a.headSize)
    let kvOffset = head * Int(a.kvHeads) / Int(a.heads) * a.headStride
    let scaleOffset = head * Int(a.kvHeads) / Int(a.heads) * a.scaleStride

    @inline(__always)
    func element(_ base: UnsafeRawPointer, _ token: Int, _ d: Int) -> Float {
      ScalarKernels.element(base, a.rows, token * a.tokenStride + kvOffset + d)
    }

    for i in firstQuery..<endQuery {
      let q = query + i * a.queryStride + head * headSize
      let o = output + i * a.outputStride + head * headSize
      let visible = a.causalStart < 0 ? Int(a.keys) : Swift.min(Int(a.keys), Int(a.causalStart) + i + 1)
      var maximum = -Float.infinity
      var sums = SIMD16<Float>()
      for d in 0..<headSize { o[d] = 0 }
      var start = 0
      while start < visible {
        let count = Swift.min(64, visible - start)
        var weights = SIMD64<Float>()
        let previous = maximum
        for j in 0..<count {
          var s: Float = 0
          for d in 0..<headSize { s = s.addingProduct(q[d] * a.scale, element(keys, start + j, d)) }
          if let scales = a.keyScale { s *= scales[scaleOffset + start + j] }
          if let bias = bias(a, head, i, start + j) { s += bias }
          weights[j] = s
          maximum = s > maximum ? s : maximum
        }
        let correction = exponential(previous - maximum)
        for lane in 0..<16 { sums[lane] *= correction }
        for j in 0..<count {
          weights[j] = exponential(weights[j] - maximum)
          sums[j & 15] += weights[j]
          if let scales = a.valueScale { weights[j] *= scales[scaleOffset + start + j] }
        }
        for d in 0..<headSize {
          var f = o[d] * correction
          for j in 0..<count { f = f.addingProduct(weights[j], element(values, start + j, d)) }
          o[d] = f
        }
        start += 64
      }
      let inverse = visible > 0 ? 1 / foldedSum(sums) : 0
      for d in 0..<headSize { o[d] *= inverse }
    }
  }

  /// Element `index` of keys or values in the format `rows`, widened to f32.
  @inline(__always)
  static func element(_ base: UnsafeRawPointer, _ rows: Int32, _ index: Int) -> Float {
    switch rows {
    case FOVEA_ROWS_F16: float(half: base.assumingMemoryBound(to: UInt16.self)[index])
    case FOVEA_ROWS_INT8: Float(base.assumingMemoryBound(to: Int8.self)[index])
    default: base.assumingMemoryBound(to: Float.self)[index]
    }
  }

  /// Relative position bias of the score of query `i` with key `j`, if any.
  @inline(__always)
  static func bias(_ a: AttentionArguments, _ head: Int, _ i: Int, _ j: Int) -> Float? {
    guard let rows = a.rowBias, let columns = a.columnBias, a.gridWidth > 0 else { return nil }
    let offset = i * a.biasStride + head * a.biasHeadStride
    return rows[offset + j / Int(a.gridWidth)] + columns[offset + j % Int(a.gridWidth)]
  }
}
