// SPDX-License-Identifier: Apache-2.0
import Families

/// Changes the scores of the next token before one is chosen: penalties, bans, constraints. Processors run in the pipeline's order, and see an answer
/// token by token whether tokens are drafted or not.
///
/// A constraint (a grammar, say) is one of them: it bans what may not come, says what must, and says when the answer is complete.
package protocol LogitsProcessor: AnyObject {
  /// Changes `logits` `[vocabSize]` of the token after those accepted so far; −∞ bans a token.
  func process(_ logits: UnsafeMutableBufferPointer<Float>)
  /// Takes the next token of the answer.
  func accept(_ id: Int32)
  /// True: the answer ends here, as if the model had ended it.
  var isComplete: Bool { get }
  /// Tokens that must come next, as far as there is no choice: they pass the decoder together. Guesses, where it can be written in several ways.
  var forced: [Int32] { get }
  /// Why the answer cannot go on; what was chosen since is no part of it.
  var failure: FoveaError? { get }
}

extension LogitsProcessor {
  package func accept(_ id: Int32) {}
  package var isComplete: Bool { false }
  package var forced: [Int32] { [] }
  package var failure: FoveaError? { nil }
}
