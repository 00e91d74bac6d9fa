// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Rounding in which each input's error is made up for by the inputs after it (GPTQ, arXiv:2210.17323), in the form of LDLQ, which gives
/// the same codes (QuIP, arXiv:2307.13304 Theorem 6): with H = E[xᵀx] = UDUᵀ, U upper triangular with ones on its diagonal, input j is
/// rounded not at w_j but at w_j + Σ_{i<j} U_ij (w_i − ŵ_i). The error of the outputs, E[((w − ŵ)·x)²], is then Σ D_j (target_j − ŵ_j)².
/// Where H is known in blocks of neighbouring inputs only, errors are made up for within a block.
struct ErrorFeedback: Sendable {
  let inputs: Int
  private let block: Int
  /// `[inputs, block]`: row j holds U_ij for the i < j of its block.
  let rows: [Float]
  /// D, `[inputs]`.
  private let weights: [Float]

  /// - Parameters:
  ///   - moments: means of x_i·x_j, `[inputs, block]` as in `ImportanceFile`, finite.
  ///   - damping: added to the diagonal, of its mean: what keeps inputs that never vary, and those that never differ, from ruling the rest.
  /// - Returns: nil where no such sum can have given them: they are then not positive definite even with the damping.
  init?(moments: [Float], inputs n: Int, damping: Double = 0.01) {
    guard n > 0, !moments.isEmpty, moments.count % n == 0, moments.count / n <= n else { return nil }
    let block = moments.count / n
    let mean = (0..<n).reduce(0.0) { $0 + Double(moments[$1 * block + $1 % block]) } / Double(n)
    guard mean > 1e-30 else { return nil }
    // Scaled to a mean of 1, so that the sizes of the inputs never matter.
    var h = moments.map { Double($0) / mean }
    for i in 0..<n { h[i * block + i % block] += damping }
    var d = [Double](repeating: 0, count: n)
    let isSound = h.withUnsafeMutableBufferPointer { h -> Bool in
      guard let h = h.baseAddress else { return false }
      for start in stride(from: 0, to: n, by: block) {
        let count = min(block, n - start)
        guard Self.decompose(h + start * block, count: count, stride: block, into: &d[start..<start + count]) else { return false }
      }
      return true
    }
    guard isSound else { return nil }
    inputs = n
    self.block = block
    rows = h.map { Float($0) }
    weights = d.map { Float($0) }
  }

  /// H = UDUᵀ for one block: row j of `h` is replaced by column j of U above the diagonal.
  private static func decompose(_ h: UnsafeMutablePointer<Double>, count: Int, stride: Int, into d: inout ArraySlice<Double>) -> Bool {
    // From the last input backwards: what it explains is taken out of those before it.
    for j in Swift.stride(from: count - 1, through: 0, by: -1) {
      let row = h + j * stride
      let pivot = row[j]
      guard pivot > 1e-9, pivot.isFinite else { return false }
      d[d.startIndex + j] = pivot
      for i in 0..<j {
        let factor = row[i] / pivot
        let other = h + i * stride
        for k in 0...i { other[k] -= factor * row[k] }
      }
      for i in 0..<j { row[i] /= pivot }
    }
    return true
  }

  /// Rounds 16 rows.
  /// - Parameters:
  ///   - x: `[16][inputs]`.
  ///   - scales: of row r in group g at 16g + r.
  ///   - grid: what codes may be.
  ///   - codes: `[16][stride]`, of which the first `inputs` of each row are written.
  /// - Returns: Σ over the rows of E[((w − ŵ)·x)²] and E[(w·x)²], both over the mean power of an input.
  func quantize(
    _ x: UnsafePointer<Float>, scales: UnsafePointer<Float>, group: Int, grid: CodeGrid,
    into codes: UnsafeMutablePointer<Int8>, stride: Int
  ) -> (squared: Double, power: Double) {
    var (squared, power) = (SIMD16<Double>(repeating: 0), SIMD16<Double>(repeating: 0))
    withUnsafeTemporaryAllocation(of: SIMD16<Float>.self, capacity: 2 * inputs) { memory in
      rows.withUnsafeBufferPointer { rows in
        guard let values = memory.baseAddress, let rows = rows.baseAddress else { return }
        let errors = values + inputs
        var (step, inverse) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0))
        for j in 0..<inputs {
          if j % group == 0 {
            for r in 0..<16 {
              step[r] = scales[j / group * 16 + r]
              inverse[r] = step[r] == 0 ? 0 : 1 / step[r]
            }
          }
          var value = SIMD16<Float>(repeating: 0)
          for r in 0..<16 { value[r] = x[r * inputs + j] }
          let start = j / block * block
          let row = rows + j * block
          var (target, whole) = (value, value)
          for i in 0..<j - start {
            target += row[i] * errors[start + i]
            whole += row[i] * values[start + i]
          }
          var code = target * inverse
          // Weights near the end of Float's range may have errors beyond it.
          code.replace(with: 0, where: code .!= code)
          code = grid.nearest(code)
          let packed = code * step
          values[j] = value
          errors[j] = value - packed
          let rest = target - packed
          squared += SIMD16<Double>(weights[j] * rest * rest)
          power += SIMD16<Double>(weights[j] * whole * whole)
          for r in 0..<16 { codes[r * stride + j] = Int8(code[r]) }
        }
      }
    }
    return (squared.sum(), power.sum())
  }
}
