// SPDX-License-Identifier: Apache-2.0

/// Ends an answer before the model's end-of-sequence tokens.
package final class EndTokens: StopRule {
  private let ids: [Int32]

  package init(_ ids: [Int32]) { self.ids = ids }

  package func endsBefore(_ id: Int32) -> StopReason? { ids.contains(id) ? .endOfSequence : nil }
}
