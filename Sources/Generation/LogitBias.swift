// SPDX-License-Identifier: Apache-2.0

/// Adds a number to the logits of some tokens; −∞ bans them.
package final class LogitBias: LogitsProcessor {
  private let biases: [(id: Int32, bias: Float)]

  /// - Parameter biases: ids outside the vocabulary are ignored.
  package init(_ biases: [(id: Int32, bias: Float)]) { self.biases = biases }

  package func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    for (id, bias) in biases where logits.indices.contains(Int(id)) { logits[Int(id)] += bias }
  }
}
