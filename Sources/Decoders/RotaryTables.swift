// SPDX-License-Identifier: Apache-2.0
import Runtime
import Schema
import Shims

/// The rotary tables of a decoder: one; or, with Qwen v1's dynamic NTK, one for each doubling of a prompt past the length that
/// the model was trained with.
///
/// A prompt of L positions takes the base theta · α^(headSize / (headSize − 2)), α = 2^⌈log2(L / trained) + 1⌉ − 1 and at least 1;
/// what is generated after it keeps the prompt's base. Trained with 2048: α is 1 up to 2048, 3 up to 4096, 7 up to 8192.
struct RotaryTables {
  private let tables: [RotaryEmbedding]
  private let trained: Int

  init(_ c: LlamaSettings) {
    let theta = Float(c.ropeTheta)
    guard let trained = c.ntkContext, c.headSize > 2 else {
      self.trained = .max
      tables = [RotaryEmbedding(headSize: c.headSize, theta: theta, scaling: c.scaling)]
      return
    }
    self.trained = trained
    let exponent = Double(c.headSize) / Double(c.headSize - 2)
    tables = (0...Self.doublings(of: trained, to: c.contextLength)).map { n in
      let alpha = Double((1 << (n + 1)) - 1)
      return RotaryEmbedding(headSize: c.headSize, theta: Float(Double(theta) * pow(alpha, exponent)))
    }
  }

  /// Number of the table for a prompt of this many positions.
  func variant(promptLength: Int) -> Int { min(Self.doublings(of: trained, to: promptLength), tables.count - 1) }

  subscript(variant: Int) -> RotaryEmbedding { tables[min(max(variant, 0), tables.count - 1)] }

  /// Least n with trained · 2ⁿ ≥ length.
  private static func doublings(of trained: Int, to length: Int) -> Int {
    var (n, reach) = (0, trained)
    while reach < length {
      n += 1
      reach *= 2
    }
    return n
  }
}

extension LlamaSettings {
  fileprivate var scaling: RotaryEmbedding.Scaling {
    switch ropeScaling {
    case nil, .dynamicNTK: .none
    case .linear: .linear(factor: Float(ropeFactor))
    case .llama3:
      .llama3(
        factor: Float(ropeFactor), lowFrequencyFactor: Float(ropeLowFrequencyFactor),
        highFrequencyFactor: Float(ropeHighFrequencyFactor), originalContext: ropeOriginalContext)
    }
  }
}
