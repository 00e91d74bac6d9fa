// SPDX-License-Identifier: Apache-2.0
import Shims
import WeightFile

/// Sizes of the causal flow encoder of DeepSeek-OCR 2 (arXiv:2601.20552 §3.2): a Qwen2 decoder over another network's features.
package struct CausalFlowSettings: Settings {
  package static let scope = "vision"

  package var hiddenSize = 1, intermediateSize = 1, layers = 1
  /// Query heads, and the key/value heads that they share.
  package var heads = 1, kvHeads = 1, headSize = 2
  package var normEpsilon = 1e-6
  package var ropeTheta = 1_000_000.0

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("hiddenSize", &hiddenSize, in: 1...16384, "Width of the encoder's states.")
    try f.int("intermediateSize", &intermediateSize, in: 1...65536, "Width inside the MLP.")
    try f.int("layers", &layers, in: 1...256, "Blocks.")
    try f.int("heads", &heads, in: 1...1024, "Query heads.")
    try f.divisor("kvHeads", &kvHeads, of: heads, in: 1...1024, "Key and value heads; they divide `vision.heads`.")
    try f.int("headSize", &headSize, in: 2...largestHeadSize, "Width of a head; even.")
    try f.double("normEpsilon", &normEpsilon, in: 0...1, "Added to the mean square in RMSNorm.")
    try f.double("ropeTheta", &ropeTheta, in: 1...1e12, "Base of the rotary positions.")
    try f.check(headSize % 2 == 0, "headSize", found: "\(headSize)", expected: "an even number")
  }
}
