// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// The scales of one row of a quantised matrix.
///
/// A group's scale is searched for the least error Σ w(x − sq)², w how much each input matters. For a candidate 1/s the codes q, the nearest of
/// the grid to x/s, are fixed, and the best scale for those codes is s* = Σwxq / Σwq², which leaves the error Σwx² − (Σwxq)²/Σwq²; so the
/// candidate with the largest (Σwxq)²/Σwq² wins. Candidates put the group's largest weight near either end of the grid, some way inside or
/// beyond, where it is clipped: that pays where a single weight stands out, and the sign decides which weights get the longer side.
struct ScaleSearch: Sendable {
  let grid: CodeGrid
  /// Where the largest weight is put, in integers of the grid.
  private let positions: [Float]

  init(_ grid: CodeGrid) {
    self.grid = grid
    let (low, high) = (Float(grid.codes.values.lowerBound), Float(grid.codes.values.upperBound))
    // The more integers, the less there is to gain.
    let parts: [Float] =
      grid.codes.bits == 4
      ? Array(stride(from: 0.70, through: 1.16, by: 0.035)) + [1.22, 1.3, 1.4, 1.5] : Array(stride(from: 0.86, through: 1.07, by: 0.03))
    positions = parts.map { low * $0 } + parts.filter { $0 < 1.2 }.map { high * $0 }
  }

  /// - Parameters:
  ///   - x: `count` finite weights, `count % 8 == 0` (pad with zeros).
  ///   - importance: what an error of each counts, above 0.
  /// - Returns: the best scale, of either sign; 0 where the weights vanish in it.
  func scale(_ x: UnsafePointer<Float>, importance: UnsafePointer<Float>, count: Int) -> Float {
    assert(count % 8 == 0)
    var largest: Float = 0
    for i in 0..<count where abs(x[i]) > abs(largest) { largest = x[i] }
    guard abs(largest) > 1e-30 else { return 0 }
    // In parts of the largest, so that no sum leaves Float's range.
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
      // All zeros have no scale and never win.
      if sumQQ > 0, sumXQ * sumXQ > best * sumQQ {
        best = sumXQ * sumXQ / sumQQ
        scale = sumXQ / sumQQ
      }
    }
    // Times the largest integer it is still a number.
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

/// A scale in a byte beside its row's float.
enum SmallScale {
  static let largest: Float = 31 / 16

  static func value(_ byte: UInt8) -> Float { Float(bitPattern: fovea_small_scale_bits(byte)) }

  /// The bytes next to `scale` (at most `largest` in magnitude), below and above.
  static func neighbours(_ scale: Float) -> (UInt8, UInt8) {
    let sign: UInt8 = scale < 0 ? 0x80 : 0
    // Magnitudes ascend with their bytes: cut from the float's own bits.
    let bits = abs(scale).bitPattern
    let first: UInt32 = 120 << 23
    guard bits > first else { return (sign, sign) }
    let low = min((bits - first) >> 19, 127)
    return (sign | UInt8(low), sign | UInt8(min(low + 1, 127)))
  }
}
