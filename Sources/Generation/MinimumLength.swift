// SPDX-License-Identifier: Apache-2.0

/// Bans the tokens that end an answer until it has `count` tokens.
package final class MinimumLength: LogitsProcessor {
  private let count: Int
  private let endIds: [Int32]
  private var accepted = 0

  package init(_ count: Int, endIds: [Int32]) {
    self.count = count
    self.endIds = endIds
  }

  package func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    guard accepted < count else { return }
    for id in endIds where logits.indices.contains(Int(id)) { logits[Int(id)] = -.infinity }
  }

  package func accept(_ id: Int32) { accepted += 1 }
}
