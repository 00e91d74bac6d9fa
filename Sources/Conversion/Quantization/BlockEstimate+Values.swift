// SPDX-License-Identifier: Apache-2.0
import Runtime
import WeightFile

extension BlockEstimate {
  /// What the rows of values of a q|k|v matrix are rounded at, so that errors of a head's rows make up for each other in what the
  /// attention's output makes of them.
  ///
  /// With O the output's columns of a head, an error e of its values adds O·e to the states, of power eᵀOᵀOe. That is `ErrorFeedback`
  /// across rows instead of inputs: with OᵀO = UDUᵀ, row j is rounded at w_j + Σ_{i<j} U_ij (w_i − ŵ_i). On the nano models' decoders int4
  /// values, which cost half of what q|k|v cost, then cost 0.57 to 0.75 of it. The like of it for queries and keys, by each other's weights,
  /// gained nothing.
  /// - Returns: `[rows of values, inputs]`, the last rows of the matrix; nil where it is none of q|k|v or its sizes do not suit.
  func valueTargets(of qkv: PlannedTensor, _ layout: PackedLayout, _ pool: ThreadPool) throws -> [Float]? {
    guard case .decoder(_, .attentionIn) = qkv.role, qkv.order == .rows, let output = neighbour(qkv, "attn.qkv.weight", "attn.out.weight")
    else { return nil }
    let (width, size, inputs) = (output.shape[1], headSize, qkv.shape[1])
    let rows = (qkv.shape[0] - width) / 2
    guard size > 0, size % 8 == 0, rows > 0, width % size == 0, rows % size == 0, width % rows == 0 else { return nil }
    let heads = rows / size
    let moments = try outputMoments(output, heads: heads, pool)
    let first = qkv.shape[0] - rows
    let targets = try each(heads, of: size * inputs, pool) { head, out in
      try qkv.read(rows: first + head * size..<first + (head + 1) * size, from: source, into: out)
      let part = Array(moments[head * size * size..<(head + 1) * size * size])
      guard let feedback = ErrorFeedback(moments: part, inputs: size, damping: Self.damping) else { return }
      round(out, rows: size, by: feedback.rows, layout)
    }
    return targets.allSatisfy(\.isFinite) ? targets : nil
  }

  /// OᵀO of each head of values, `[heads][headSize][headSize]`, summed over the heads of queries that share it.
  private func outputMoments(_ output: PlannedTensor, heads: Int, _ pool: ThreadPool) throws -> [Float] {
    let (size, width) = (headSize, output.shape[1])
    let shared = width / size / heads
    // A few sums side by side, each over some of the rows, whatever the number of threads: the same bytes on every machine.
    let parts = min(8, output.shape[0])
    let sums = try each(parts, of: heads * size * size, pool) { part, out in
      let all = output.shape[0] * part / parts..<output.shape[0] * (part + 1) / parts
      for start in stride(from: all.lowerBound, to: all.upperBound, by: 64) {
        let chunk = start..<min(start + 64, all.upperBound)
        try output.read(rows: chunk, from: source).withUnsafeBufferPointer { o in
          guard let o = o.baseAddress else { return }
          for head in 0..<width / size {
            let moments = out + head / shared * size * size
            for r in 0..<chunk.count {
              let row = o + r * width + head * size
              for i in 0..<size { add(row, times: row[i], to: moments + i * size, count: size) }
            }
          }
        }
      }
    }
    return (0..<heads * size * size).map { i in (0..<parts).reduce(Float(0)) { $0 + sums[$1 * heads * size * size + i] } }
  }

  /// Replaces rows by what they are to be rounded at.
  /// - Parameters:
  ///   - x: `[rows][inputs]`.
  ///   - factors: `[rows][rows]`, row j holds U_ij for i < j.
  private func round(_ x: UnsafeMutablePointer<Float>, rows: Int, by factors: [Float], _ layout: PackedLayout) {
    let (inputs, padded, group) = (layout.inputs, layout.paddedInputs, layout.group)
    let ones = [Float](repeating: 1, count: group)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: (rows + 1) * padded) { memory in
      withUnsafeTemporaryAllocation(of: Int8.self, capacity: group) { codes in
        guard let errors = memory.baseAddress, let codes = codes.baseAddress else { return }
        let target = errors + rows * padded
        for j in 0..<rows {
          let row = x + j * inputs
          target.update(from: row, count: inputs)
          (target + inputs).update(repeating: 0, count: padded - inputs)
          for i in 0..<j { add(errors + i * padded, times: factors[j * rows + i], to: target, count: padded) }
          for g in stride(from: 0, to: padded, by: group) {
            let step = Half.float(Int4Quantizer.quantize(target + g, importance: ones, count: group, into: codes))
            for k in 0..<group {
              let i = g + k
              errors[j * padded + i] = i < inputs ? row[i] - step * Float(codes[k]) : 0
            }
          }
          row.update(from: target, count: inputs)
        }
      }
    }
  }

  /// y += factor · x; `count % 8 == 0`.
  @inline(__always)
  private func add(_ x: UnsafePointer<Float>, times factor: Float, to y: UnsafeMutablePointer<Float>, count: Int) {
    let f = SIMD8<Float>(repeating: factor)
    for k in stride(from: 0, to: count, by: 8) {
      let a = UnsafeRawPointer(x + k).loadUnaligned(as: SIMD8<Float>.self)
      let b = UnsafeRawPointer(y + k).loadUnaligned(as: SIMD8<Float>.self)
      UnsafeMutableRawPointer(y + k).storeBytes(of: b + f * a, as: SIMD8<Float>.self)
    }
  }
}
