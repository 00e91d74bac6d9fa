// SPDX-License-Identifier: Apache-2.0

/// Ends an answer before certain tokens: the model's end-of-sequence tokens, or the caller's.
package final class EndTokens: StopRule {
  private let ids: [Int32]
  private let reason: StopReason

  package init(_ ids: [Int32], reason: StopReason = .endOfSequence) {
    self.ids = ids
    self.reason = reason
  }

  package func endsBefore(_ id: Int32) -> StopReason? { ids.contains(id) ? reason : nil }
}
