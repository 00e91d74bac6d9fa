// SPDX-License-Identifier: Apache-2.0

/// Bans all tokens but the listed ones.
package final class AllowedTokens: LogitsProcessor {
  private let ids: [Int32]
  private var kept: [Float]

  /// - Parameter ids: ids outside the vocabulary are ignored.
  package init(_ ids: [Int32]) {
    self.ids = ids
    kept = Array(repeating: 0, count: ids.count)
  }

  package func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    for (i, id) in ids.enumerated() where logits.indices.contains(Int(id)) { kept[i] = logits[Int(id)] }
    logits.update(repeating: -.infinity)
    for (i, id) in ids.enumerated() where logits.indices.contains(Int(id)) { logits[Int(id)] = kept[i] }
  }
}
