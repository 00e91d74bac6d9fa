// SPDX-License-Identifier: Apache-2.0
import Shims

/// Dynamic NTK as in Qwen v1: RoPE bases that grow with the prompt, one for each doubling of its length past the training context.
///
/// A prompt of L positions takes the base theta · α^(headSize / (headSize − 2)), α = 2^⌈log2(L / trained) + 1⌉ − 1 and at least 1;
/// what is generated after it keeps the prompt's base. Trained with 2048: α is 1 up to 2048, 3 up to 4096, 7 up to 8192.
struct DynamicNTK {
  let trained: Int

  /// The bases for prompts of up to `length` positions, by `number(promptLength:)`.
  func bases(theta: Float, headSize: Int, upTo length: Int) -> [Float] {
    guard headSize > 2 else { return [theta] }
    let exponent = Double(headSize) / Double(headSize - 2)
    return (0...number(promptLength: length)).map { n in
      let alpha = Double((1 << (n + 1)) - 1)
      return Float(Double(theta) * pow(alpha, exponent))
    }
  }

  /// Least n with trained · 2ⁿ ≥ length.
  func number(promptLength length: Int) -> Int {
    var (n, reach) = (0, trained)
    while reach < length {
      n += 1
      reach *= 2
    }
    return n
  }
}
