// SPDX-License-Identifier: Apache-2.0
import Families

/// Changes the logits of the next token before one is chosen: penalties, bans, constraints. Processors run in the pipeline's order and see the
/// answer token by token, with or without drafts.
///
/// A constraint (a grammar, say) is a processor: it bans tokens, names forced ones, and reports when the answer is complete.
package protocol LogitsProcessor: AnyObject {
  /// Changes the `[vocabSize]` logits that follow the tokens accepted so far; −∞ bans a token.
  func process(_ logits: UnsafeMutableBufferPointer<Float>)
  /// Takes the next token of the answer.
  func accept(_ id: Int32)
  /// True: the answer ends here, as if the model had ended it.
  var isComplete: Bool { get }
  /// Tokens that must come next, as far as there is no choice; they become drafts, since a text may have several tokenisations.
  var forced: [Int32] { get }
  /// Why the answer cannot continue; tokens chosen since are not part of it.
  var failure: FoveaError? { get }
}

extension LogitsProcessor {
  package func accept(_ id: Int32) {}
  package var isComplete: Bool { false }
  package var forced: [Int32] { [] }
  package var failure: FoveaError? { nil }
}
