// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// LLaVA's projector from vision features to the decoder's width.
package struct ProjectorSettings: Settings {
  package static let scope = "projector"

  package enum Kind: Spelled {
    case linear
    /// Two linear layers with an exact GELU between.
    case mlp2xGELU

    package var spelling: StaticString {
      switch self {
      case .linear: "linear"
      case .mlp2xGELU: "mlp2x_gelu"
      }
    }
  }

  package var kind = Kind.linear

  package init() {}
  package init(_ kind: Kind) { self.kind = kind }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.choice("kind", &kind, "One linear layer, or two with an exact GELU between.")
  }
}
