// SPDX-License-Identifier: Apache-2.0

/// Decides whether an answer ends. Rules are asked in the pipeline's order, and the first that ends it gives the reason.
package protocol StopRule: AnyObject {
  /// Asked before `id` joins the answer: it ends without it.
  func endsBefore(_ id: Int32) -> StopReason?
  /// Asked when `id` has joined the answer.
  /// - Parameter piece: the text completed by it, maybe empty; UTF-8.
  func endsAfter(_ id: Int32, _ piece: [UInt8]) -> StopReason?
}

extension StopRule {
  package func endsBefore(_ id: Int32) -> StopReason? { nil }
  package func endsAfter(_ id: Int32, _ piece: [UInt8]) -> StopReason? { nil }
}
