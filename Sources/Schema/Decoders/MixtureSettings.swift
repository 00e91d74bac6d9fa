// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The mixture of experts of a decoder (DeepSeekMoE, arXiv:2401.06066 §3): replaces the feed-forward of all blocks but the first `denseLayers`.
package struct MixtureSettings: Settings {
  package static let scope = "language.mixture"

  package enum Scores: Spelled {
    case softmax, sigmoid

    package var spelling: StaticString {
      switch self {
      case .softmax: "softmax"
      case .sigmoid: "sigmoid"
      }
    }
  }

  /// Blocks before the first mixture.
  package var denseLayers = 0
  package var experts = 1, expertsPerToken = 1
  package var expertSize = 1
  /// 0: there is no shared expert.
  package var sharedSize = 0
  package var scores = Scores.softmax
  package var renormalises = false
  package var scale = 1.0

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("denseLayers", &denseLayers, in: 0...512, default: 0, "Blocks in front whose feed-forward all tokens pass.")
    try f.int("experts", &experts, in: 1...1024, "Experts of a block.")
    try f.int("expertsPerToken", &expertsPerToken, in: 1...1024, "Experts that a token is routed to.")
    try f.int("expertSize", &expertSize, in: 1...65536, "Width inside an expert.")
    try f.int("sharedSize", &sharedSize, in: 0...262_144, default: 0, "Width inside what all tokens pass beside their experts; 0: there is none.")
    try f.choice("scores", &scores, default: .softmax, "How the router's products become scores.")
    try f.bool("renormalises", &renormalises, default: false, "Whether a token's scores are divided by their sum.")
    try f.double("scale", &scale, in: -1e6...1e6, default: 1, "Factor of a token's scores, after all else.")
    try f.check(
      expertsPerToken <= experts, "expertsPerToken", found: "\(expertsPerToken)", expected: "at most the \(experts) of language.mixture.experts")
  }
}
