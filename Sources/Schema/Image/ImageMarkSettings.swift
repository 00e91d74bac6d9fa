// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The tokens of the vocabulary that stand before and after an image's vectors.
package struct ImageMarkSettings: Settings {
  package static let scope = "image"

  package var startId = 0, endId = 0
  /// Rows of the embedding table, `language.vocabSize`.
  package var vocabSize = 1_048_576

  package init() {}
  package init(startId: Int, endId: Int) {
    self.startId = startId
    self.endId = endId
  }

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.int("startId", &startId, in: 0...vocabSize - 1, "Id of the token before an image's vectors.")
    try f.int("endId", &endId, in: 0...vocabSize - 1, "Id of the token behind them.")
  }
}
