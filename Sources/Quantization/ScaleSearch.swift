// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// Searches the quantisation scales of one row.
///
/// A group's scale s minimises Σ w(x − sq)², w the importance of each input. For a candidate 1/s the codes q are the grid values nearest to
/// x/s; the best scale for these codes is s* = Σwxq / Σwq², with the error Σwx² − (Σwxq)²/Σwq²; so the candidate with the largest
/// (Σwxq)²/Σwq² wins. Candidates put the group's largest weight near either end of the grid, inside or beyond, where it is clipped: that
/// pays for outliers, and the sign decides which weights get the longer side.
struct ScaleSearch: Sendable {
  let grid: CodeGrid
  /// Candidate positions of the largest weight, in grid units.
  private let positions: [Float]

  init(_ grid: CodeGrid) {
    self.grid = grid
    let (low, high) = (Float(grid.codes.values.lowerBound), Float(grid.codes.values.upperBound))
    // The finer the grid, the fewer candidates are worth trying.
    let parts: [Float] =
      grid.codes.bits == 4
      ? Array(stride(from: 0.70, through: 1.16, by: 0.035)) + [1.22, 1.3, 1.4, 1.5] : Array(stride(from: 0.86, through: 1.07, by: 0.03))
    positions = parts.map { low * $0 } + parts.filter { $0 < 1.2 }.map { high * $0 }
  }

  /// - Parameters:
  ///   - x: `count` finite weights, `count % 8 == 0` (pad with zeros).
  ///   - importance: weight of each one's error, above 0.
  /// - Returns: the best scale, of either sign; 0 where the weights are negligible.
  func scale(_ x: UnsafePointer<Float>, importance: UnsafePointer<Float>, count: Int) -> Float {
    assert(count % 8 == 0)
    var largest: Float = 0
    for i in 0..<count where abs(x[i]) > abs(largest) { largest = x[i] }
    guard abs(largest) > 1e-30 else { return 0 }
    // Relative to the largest, so that no sum overflows.
    let unit = 1 / abs(largest)
    var (best, scale): (Float, Float) = (0, 0)
    for position in positions {
      let inverse = largest < 0 ? -position : position
      var (xq, qq) = (SIMD8<Float>(repeating: 0), SIMD8<Float>(repeating: 0))
      for i in stride(from: 0, to: count, by: 8) {
        let v = load(x, i) * unit
        let q = grid.nearest(v * inverse)
        let weighted = load(importance, i) * q
        xq += v * weighted
        qq += q * weighted
      }
      let (sumXQ, sumQQ) = (xq.sum(), qq.sum())
      // Codes that are all zero have no scale.
      if sumQQ > 0, sumXQ * sumXQ > best * sumQQ {
        best = sumXQ * sumXQ / sumQQ
        scale = sumXQ / sumQQ
      }
    }
    // Clamped, so that the product with the largest integer stays finite.
    return min(max(scale * abs(largest), -4e36), 4e36)
  }

  /// Σ w(x − sq)² for the nearest codes.
  func error(_ x: UnsafePointer<Float>, importance: UnsafePointer<Float>, count: Int, scale: Float) -> Float {
    let inverse = scale == 0 ? 0 : 1 / scale
    var sum = SIMD8<Float>(repeating: 0)
    for i in stride(from: 0, to: count, by: 8) {
      let v = load(x, i)
      let rest = v - scale * grid.nearest(v * inverse)
      sum += load(importance, i) * rest * rest
    }
    return sum.sum()
  }

  @inline(__always)
  private func load(_ x: UnsafePointer<Float>, _ i: Int) -> SIMD8<Float> { UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<Float>.self) }
}

/// A one-byte scale relative to its row's float scale.
enum SmallScale {
  static let largest: Float = 31 / 16

  static func value(_ byte: UInt8) -> Float { Float(bitPattern: fovea_small_scale_bits(byte)) }

  /// The byte values just below and above `scale` (at most `largest` in magnitude).
  static func neighbours(_ scale: Float) -> (UInt8, UInt8) {
    let sign: UInt8 = scale < 0 ? 0x80 : 0
    // Magnitudes ascend with the byte, which is a truncation of the float's bits.
    let bits = abs(scale).bitPattern
    let first: UInt32 = 120 << 23
    guard bits > first else { return (sign, sign) }
    let low = min((bits - first) >> 19, 127)
    return (sign | UInt8(low), sign | UInt8(min(low + 1, 127)))
  }
}
