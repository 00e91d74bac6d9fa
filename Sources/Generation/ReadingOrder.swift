// SPDX-License-Identifier: Apache-2.0
import Families

/// Keeps an answer that says where it reads from reading anything twice: within a line each column lies right of the one before, and each line
/// begins below the one before. Whisper's timestamps are kept in order likewise (arXiv:2212.04356, section 4.5).
package final class ReadingOrder: LogitsProcessor {
  private let tokens: LocationTokens
  /// Of the line that is read: where it begins and the last column in it, as ids.
  private var row, column: Int32?
  /// Row of the line before it.
  private var above: Int32?
  private var hasText = false

  package init(_ tokens: LocationTokens) { self.tokens = tokens }

  package func process(_ logits: UnsafeMutableBufferPointer<Float>) {
    func ban(_ ids: ClosedRange<Int32>) { for id in ids where Int(id) < logits.count { logits[Int(id)] = -.infinity } }
    if let column { ban(tokens.columns.lowerBound...column) }
    if !hasText, let above { ban(tokens.rows.lowerBound...above) }
  }

  package func accept(_ id: Int32) {
    if tokens.columns.contains(id) {
      column = id
    } else if tokens.rows.contains(id) {
      // A slanted line goes on in other rows; a place without text, as of a caption that is not said, begins no line.
      if !hasText { row = id }
      column = nil
    } else if id == tokens.newline {
      above = row ?? above
      (row, column, hasText) = (nil, nil, false)
    } else {
      hasText = true
    }
  }
}
