// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Quantisation with error feedback (GPTQ, arXiv:2210.17323), in the form of LDLQ, which gives the same codes (QuIP, arXiv:2307.13304
/// Theorem 6): with H = E[xᵀx] = UDUᵀ, U unit upper triangular, the rounding target of input j is not w_j but
/// w_j + Σ_{i<j} U_ij (w_i − ŵ_i). The error of the outputs, E[((w − ŵ)·x)²], is then Σ D_j (target_j − ŵ_j)².
/// The largest inputs are rounded first, while many others can compensate. Then each code is optimised again with all others fixed
/// (coordinate descent, as in QuantEase, arXiv:2309.01885), which never increases the error. On three matrices of a real
/// decoder's layer, simulated, the order left 4 to 14 % less of the squared error, coordinate descent another 2 to 7 %; tools/bench/QUALITY.md
/// has the model's. Where H is known only in blocks of neighbouring inputs, errors are compensated within a block.
struct ErrorFeedback: Sendable {
  let inputs: Int
  private let block: Int
  /// Inputs of each block by descending mean square. The arrays below are in this order: position p of a block is input `order[p]`.
  private let order: [Int32]
  /// `[inputs, block]`: row p holds U_ip for the i < p of its block.
  private let rows: [Float]
  /// D, `[inputs]`.
  private let weights: [Float]
  /// H, `[inputs, block]`.
  private let moments: [Float]

  /// Added to each mean square, relative to their mean: inputs that are always zero, too, get a definite weight.
  private static let leastMeanSquare = 1e-5
  /// Added to each mean square, relative to it: bounds the influence of linearly dependent inputs. Relative to the mean of all, a few massive inputs
  /// would drown what is known of the others.
  private static let damping = 0.1
  /// Passes of coordinate descent.
  private static let passes = 2

  /// - Parameters:
  ///   - moments: means of x_i·x_j, `[inputs, block]` as in `ImportanceFile`, finite.
  /// - Returns: nil where the moments are not positive definite even with damping, so that no inputs can have produced them.
  init?(moments: [Float], inputs n: Int) {
    guard n > 0, !moments.isEmpty, moments.count % n == 0, moments.count / n <= n else { return nil }
    let block = moments.count / n
    let mean = (0..<n).reduce(0.0) { $0 + Double(moments[$1 * block + $1 % block]) } / Double(n)
    guard mean > 1e-30 else { return nil }
    let order = stride(from: 0, to: n, by: block).flatMap { start in
      (start..<min(start + block, n)).sorted { a, b in
        let (x, y) = (moments[a * block + a % block], moments[b * block + b % block])
        return x != y ? x > y : a < b
      }
    }
    // Scaled to a mean diagonal of 1, so that the magnitude of the inputs does not matter.
    var h = [Double](repeating: 0, count: n * block)
    for p in 0..<n {
      let start = p / block * block
      for q in start..<min(start + block, n) { h[p * block + q - start] = Double(moments[order[p] * block + order[q] % block]) / mean }
      h[p * block + p % block] = h[p * block + p % block] * (1 + Self.damping) + Self.leastMeanSquare
    }
    self.moments = h.map { Float($0) }
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
    self.order = order.map { Int32($0) }
    rows = h.map { Float($0) }
    weights = d.map { Float($0) }
  }

  /// H = UDUᵀ for one block: row j of `h` is replaced by column j of U above the diagonal.
  private static func decompose(_ h: UnsafeMutablePointer<Double>, count: Int, stride: Int, into d: inout ArraySlice<Double>) -> Bool {
    // From the last input backwards (Schur complement).
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
  ///   - scales: row r of group g at index 16g + r.
  ///   - grid: the allowed codes.
  ///   - codes: `[16][stride]`, of which the first `inputs` of each row are written.
  /// - Returns: Σ over the rows of E[((w − ŵ)·x)²] and E[(w·x)²], both over the mean power of an input.
  func quantize(
    _ x: UnsafePointer<Float>, scales: UnsafePointer<Float>, group: Int, grid: CodeGrid,
    into codes: UnsafeMutablePointer<Int8>, stride: Int
  ) -> (squared: Double, power: Double) {
    var (squared, power) = (SIMD16<Double>(repeating: 0), SIMD16<Double>(repeating: 0))
    withUnsafeTemporaryAllocation(of: SIMD16<Float>.self, capacity: 2 * inputs) { memory in
      guard let values = memory.baseAddress else { return }
      let errors = values + inputs
      rows.withUnsafeBufferPointer { rows in
        guard let rows = rows.baseAddress else { return }
        for p in 0..<inputs {
          let j = Int(order[p])
          let step = self.step(scales, j / group)
          var value = SIMD16<Float>(repeating: 0)
          for r in 0..<16 { value[r] = x[r * inputs + j] }
          let start = p / block * block
          let row = rows + p * block
          var (target, whole) = (value, value)
          for i in 0..<p - start {
            target += row[i] * errors[start + i]
            whole += row[i] * values[start + i]
          }
          let code = self.code(target, step, grid)
          let packed = code * step
          values[p] = value
          errors[p] = value - packed
          let rest = target - packed
          squared += SIMD16<Double>(weights[p] * rest * rest)
          power += SIMD16<Double>(weights[p] * whole * whole)
          for r in 0..<16 { codes[r * stride + j] = Int8(code[r]) }
        }
      }
      for _ in 0..<Self.passes {
        squared -= improve(values, errors, scales: scales, group: group, grid: grid, codes: codes, stride: stride)
      }
    }
    return (max(squared.sum(), 0), power.sum())
  }

  /// One pass of coordinate descent: optimises each code with all others fixed.
  /// - Returns: the decrease of Σ E[((w − ŵ)·x)²].
  private func improve(
    _ values: UnsafePointer<SIMD16<Float>>, _ errors: UnsafeMutablePointer<SIMD16<Float>>, scales: UnsafePointer<Float>, group: Int,
    grid: CodeGrid, codes: UnsafeMutablePointer<Int8>, stride: Int
  ) -> SIMD16<Double> {
    var gain = SIMD16<Double>(repeating: 0)
    moments.withUnsafeBufferPointer { moments in
      guard let moments = moments.baseAddress else { return }
      for p in 0..<inputs {
        let start = p / block * block
        let row = moments + p * block
        var slope = SIMD16<Float>(repeating: 0)
        for i in 0..<min(block, inputs - start) { slope += row[i] * errors[start + i] }
        let (j, own) = (Int(order[p]), row[p - start])
        let step = self.step(scales, j / group)
        let code = self.code(values[p] - errors[p] + slope / own, step, grid)
        let error = values[p] - code * step
        let change = errors[p] - error
        errors[p] = error
        gain += SIMD16<Double>(change * (2 * slope - own * change))
        for r in 0..<16 { codes[r * stride + j] = Int8(code[r]) }
      }
    }
    return gain
  }

  @inline(__always)
  private func step(_ scales: UnsafePointer<Float>, _ group: Int) -> SIMD16<Float> {
    UnsafeRawPointer(scales + 16 * group).loadUnaligned(as: SIMD16<Float>.self)
  }

  @inline(__always)
  private func code(_ target: SIMD16<Float>, _ step: SIMD16<Float>, _ grid: CodeGrid) -> SIMD16<Float> {
    var code = (target / step).replacing(with: 0, where: step .== 0)
    // Errors of weights near Float's limits may overflow to NaN.
    code.replace(with: 0, where: code .!= code)
    return grid.nearest(code)
  }
}
