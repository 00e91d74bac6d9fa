// SPDX-License-Identifier: Apache-2.0
import Shims

/// Arithmetic of attention. The kernels take any of them for any head; which one is used is decided only here.
enum AttentionArithmetic {
  case float, int12, int8

  /// - Parameters:
  ///   - allowsIntegers: the model's weights are quantised, so the activations have rounding errors already.
  ///   - queries: of one slice.
  init(allowsIntegers: Bool, headSize: Int, queries: Int) {
    // A single query is bound by reading keys and values; quantising them would only take longer.
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

  /// Most queries of one call. Each call packs the keys itself; quantising them costs more than copying, so more queries share it.
  var largestStep: Int { self == .float ? 192 : 600 }
}
