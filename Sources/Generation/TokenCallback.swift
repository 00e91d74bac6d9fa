// SPDX-License-Identifier: Apache-2.0

/// Calls back with each token, and ends the answer where the callback returns false.
package final class TokenCallback: StopRule {
  private let call: (Int32, [UInt8]) -> Bool

  /// - Parameter call: gets each token and the text that it completes; false stops.
  package init(_ call: @escaping (Int32, [UInt8]) -> Bool) { self.call = call }

  package func endsAfter(_ id: Int32, _ piece: [UInt8]) -> StopReason? { call(id, piece) ? nil : .callback }
}
