// SPDX-License-Identifier: Apache-2.0
import Schema
import Tokenizers

/// Ids of the tokens that say where on the page an answer reads, see `LocationSettings`.
package struct LocationTokens {
  package let columns, rows: Range<Int32>
  /// The token that ends a line, a byte where line breaks have no piece of their own.
  package let newline: Int32

  package init(columns: Range<Int32>, rows: Range<Int32>, newline: Int32) {
    self.columns = columns
    self.rows = rows
    self.newline = newline
  }

  /// `nil`: the model has none.
  init?(_ s: LocationSettings, _ tokenizer: Tokenizer, vocabulary: Int) throws(FoveaError) {
    if s.isEmpty { return nil }
    func id(_ text: String, _ count: Int) throws(FoveaError) -> Int32 {
      guard let id = tokenizer.id(of: Array(text.utf8)) else {
        throw FoveaError.system("tokenizer", "no token \(text), which prompt.locations names")
      }
      guard Int(id) + count <= vocabulary else {
        throw FoveaError.system("tokenizer", "\(count) location tokens from \(text) (id \(id)) on, but only \(vocabulary) tokens in all")
      }
      return id
    }
    let count = Int32(s.count)
    let column = try id(s.column, s.count)
    let row = try id(s.row, s.count)
    let lineBreak = tokenizer.id(of: [0x0A]) == nil ? "<0x0A>" : "\n"
    self.init(columns: column..<column + count, rows: row..<row + count, newline: try id(lineBreak, 1))
    guard !columns.overlaps(rows), !columns.contains(newline), !rows.contains(newline) else {
      throw FoveaError.system("tokenizer", "columns, rows and the line break of prompt.locations share tokens")
    }
  }
}
