// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// Location tokens of a model whose answers say where on the page they read (Kosmos-2.5, arXiv:2309.11419): a line begins with the token of its
/// row, a word with that of its column. The tokens of rows have consecutive ids, and so have those of columns.
package struct LocationSettings: Settings, Equatable, Sendable {
  package static let scope = "locations"

  /// UTF-8; empty: the model has no such tokens.
  package var column = "", row = ""
  package var count = 0

  package init() {}

  package var isEmpty: Bool { column.isEmpty }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.string("column", &column, default: "", "The token of the first column, for answers that say where they read; empty: they do not.")
    let exists = Condition.when(!column.isEmpty, "`prompt.locations.column` is not empty")
    try f.string("row", &row, when: exists, "The token of the first row.")
    try f.int(
      "count", &count, in: 1...65_536, when: exists, "Columns, and rows: the ids of their tokens follow those of the first.")
  }
}
