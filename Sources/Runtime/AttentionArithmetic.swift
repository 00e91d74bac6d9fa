// SPDX-License-Identifier: Apache-2.0
import Shims

/// What softmax(q·kᵀ)·v is computed in. The kernels take any choice for any head; which one is right for a model is decided here alone.
enum AttentionArithmetic {
  case float, int12, int8

  /// - Parameters:
  ///   - allowsIntegers: the weights around are quantised, so the activations carry rounding errors already.
  ///   - queries: of one slice.
  init(allowsIntegers: Bool, headSize: Int, queries: Int) {
    // One query is bound by reading keys and values, which rounding them would only delay.
    guard allowsIntegers, queries > 1 else {
      self = .float
      return
    }
    // Heads below 64 belong to small models, whose answers 8 bits change; there 12 bits cost little.
    self = headSize >= 64 ? .int8 : .int12
  }

  /// `AttentionArguments.arithmetic`.
  var code: Int32 {
    switch self {
    case .float: FOVEA_ATTENTION_F32
    case .int12: FOVEA_ATTENTION_INT12
    case .int8: FOVEA_ATTENTION_INT8
    }
  }

  /// Queries that one call takes at most. Each call packs the keys for itself; rounding them costs more than copying them, so more queries share it.
  var largestStep: Int { self == .float ? 192 : 600 }
}
