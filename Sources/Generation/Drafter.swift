// SPDX-License-Identifier: Apache-2.0

/// Guesses the next tokens of an answer. Guesses pass the decoder together with the newest token, for about the price of one, since decoding waits
/// for the weights; those that the sampler would not have chosen are thrown away, so an answer never changes.
package protocol Drafter: AnyObject {
  /// Most guesses of a pass.
  var largest: Int { get }
  /// Takes the next token of the answer.
  func accept(_ id: Int32)
  /// Up to `room` tokens that may come next.
  func next(room: Int) -> [Int32]
  /// Takes note of how many of a pass's guesses were right.
  func learn(guessed: Int, right: Int)
}
