// SPDX-License-Identifier: Apache-2.0

/// A place that an answer names (grounding), in pixels of the original image.
package struct GroundedPlace {
  /// UTF-8, empty where the answer gives no words for it.
  package var phrase: [UInt8]
  package var x1, y1, x2, y2: Double
  package var isPoint: Bool
  /// Range of the answer's tokens that spell the phrase and its coordinates.
  package var tokens: Range<Int>
  /// Sum of their log-probabilities.
  package var logProbability: Double
}

extension CoordinateForm {
  /// The places that an answer names, in its order.
  /// - Parameters:
  ///   - text: UTF-8 with its special tokens written out.
  ///   - ends: for each token, the offset in `text` at which its text ends.
  ///   - logProbabilities: one for each token.
  ///   - width, height: size in pixels of the image that the coordinates refer to.
  package func places(in text: [UInt8], ends: [Int], logProbabilities: [Float], width: Int, height: Int) -> [GroundedPlace] {
    groundings(in: text).map { g in
      let first = ends.firstIndex { $0 > g.range.lowerBound } ?? ends.count
      let last = ends.firstIndex { $0 >= g.range.upperBound } ?? ends.count - 1
      let end = min(last + 1, logProbabilities.count)
      let tokens = min(first, end)..<end
      return GroundedPlace(
        phrase: g.phrase, x1: pixels(g.x1, of: width), y1: pixels(g.y1, of: height), x2: pixels(g.x2, of: width),
        y2: pixels(g.y2, of: height), isPoint: g.isPoint, tokens: tokens,
        logProbability: logProbabilities[tokens].reduce(0.0) { $0 + Double($1) })
    }
  }
}
