// SPDX-License-Identifier: Apache-2.0

/// Proposes the next tokens of an answer (speculative decoding). Draft tokens pass the decoder together with the newest token, which costs
/// little more than one token, since decoding is bound by reading the weights. Drafts that differ from the sampler's choice are rejected,
/// so the answer is the same as without.
package protocol Drafter: AnyObject {
  /// Most draft tokens of a pass.
  var largest: Int { get }
  /// Takes the next token of the answer.
  func accept(_ id: Int32)
  /// Up to `room` tokens that may come next.
  func next(room: Int) -> [Int32]
  /// Records how many of a pass's draft tokens were accepted.
  func record(drafted: Int, accepted: Int)
}
