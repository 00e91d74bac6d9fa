// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Symmetric 8-bit quantization: the largest weight of the group sits at 127, the half scale is rounded, the codes follow it.
package enum Int8Quantizer {
  /// As `Int4Quantizer.quantize`, codes −127…127.
  package static func quantize(_ x: UnsafePointer<Float>, count: Int, into q: UnsafeMutablePointer<Int8>) -> UInt16 {
    assert(count % 8 == 0)
    var largest: Float = 0
    for i in 0..<count { largest = max(largest, abs(x[i])) }
    let bits = Half.bits(min(largest / 127, 65504))
    let half = Half.float(bits)
    let inverse = half == 0 ? 0 : 1 / half
    for i in stride(from: 0, to: count, by: 8) {
      let v = UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<Float>.self)
      var code = Int4Quantizer.rounded(v * inverse)
      code.replace(with: -127, where: code .< -127)
      code.replace(with: 127, where: code .> 127)
      for lane in 0..<8 { q[i + lane] = Int8(code[lane]) }
    }
    return half == 0 ? 0 : bits
  }
}
