// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Symmetric 4-bit quantization of one group of a row: value ≈ scale · q, q in −8…7, the scale a half.
///
/// The scale is searched for the least error Σ w(x − sq)², w how much each input matters. For a candidate 1/s the codes q = round(x/s)
/// are fixed, and the best scale for those codes is s* = Σwxq / Σwq², which leaves the error Σwx² − (Σwxq)²/Σwq²; so the candidate with
/// the largest (Σwxq)²/Σwq² wins.
/// Candidates put the group's largest weight on a code between 5.5 and 12 of either sign: beyond 8 it is clipped, which pays where
/// a single weight stands out, and the sign decides whether it gets the longer side (−8) of the range.
package enum Int4Quantizer {
  /// Candidate positions of the largest weight, in codes.
  private static let positions: [Float] = {
    let steps = stride(from: Float(5.5), through: 9.25, by: 0.25) + [9.75, 10.25, 11, 12]
    return steps.map { -$0 } + steps.filter { $0 <= 9.25 }.map { $0 - 0.5 }
  }()

  /// Rounds to the nearest whole number, ties to even, for |x| < 2²²: adding 1.5 · 2²³ leaves no room for a fraction.
  @inline(__always)
  static func rounded(_ x: SIMD8<Float>) -> SIMD8<Float> { (x + 12_582_912) - 12_582_912 }

  @inline(__always)
  private static func codes(_ x: SIMD8<Float>, _ inverse: Float) -> SIMD8<Float> {
    let q = rounded(x * inverse)
    let low = q.replacing(with: -8, where: q .< -8)
    return low.replacing(with: 7, where: low .> 7)
  }

  @inline(__always)
  private static func load(_ x: UnsafePointer<Float>, _ i: Int) -> SIMD8<Float> {
    UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<Float>.self)
  }

  /// - Parameters:
  ///   - x: `count` finite weights, `count % 8 == 0` (pad with zeros).
  ///   - importance: what an error of each counts, above 0.
  ///   - q: `count` codes.
  /// - Returns: the bits of the half scale.
  package static func quantize(
    _ x: UnsafePointer<Float>, importance: UnsafePointer<Float>, count: Int, into q: UnsafeMutablePointer<Int8>
  ) -> UInt16 {
    assert(count % 8 == 0)
    var largest: Float = 0
    for i in 0..<count where abs(x[i]) > abs(largest) { largest = x[i] }
    var best: Float = 0
    var scale: Float = 0
    // Weights this small vanish in a half scale; all-zero codes are then what is left.
    if abs(largest) > 1e-30 {
      for position in positions {
        let (xq, qq) = sums(x, importance, count, position / largest)
        // A code of zero everywhere has qq = 0 and never wins.
        if qq > 0, xq * xq > best * qq {
          best = xq * xq / qq
          scale = xq / qq
        }
      }
    }
    return settle(x, count, scale, q)
  }

  @inline(__always)
  private static func sums(
    _ x: UnsafePointer<Float>, _ importance: UnsafePointer<Float>, _ count: Int, _ inverse: Float
  ) -> (xq: Float, qq: Float) {
    var xq = SIMD8<Float>(repeating: 0)
    var qq = SIMD8<Float>(repeating: 0)
    for i in stride(from: 0, to: count, by: 8) {
      let v = load(x, i)
      let q = codes(v, inverse)
      let weighted = load(importance, i) * q
      xq += v * weighted
      qq += q * weighted
    }
    return (xq.sum(), qq.sum())
  }

  /// Rounds the scale to a half and chooses the codes anew for it.
  private static func settle(
    _ x: UnsafePointer<Float>, _ count: Int, _ scale: Float, _ q: UnsafeMutablePointer<Int8>
  ) -> UInt16 {
    let bits = Half.bits(min(max(scale, -65504), 65504))
    let half = Half.float(bits)
    let inverse = half == 0 ? 0 : 1 / half
    for i in stride(from: 0, to: count, by: 8) {
      let code = codes(load(x, i), inverse)
      for lane in 0..<8 { q[i + lane] = Int8(code[lane]) }
    }
    return half == 0 ? 0 : bits
  }
}
