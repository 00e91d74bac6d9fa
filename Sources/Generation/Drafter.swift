// SPDX-License-Identifier: Apache-2.0

/// Guesses the next tokens of an answer. Guesses pass the decoder together with the newest token, which costs little more than one token, since
/// decoding is bound by reading the weights. Guesses that the sampler would not have chosen are dropped, so an answer never changes.
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
