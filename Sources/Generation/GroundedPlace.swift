// SPDX-License-Identifier: Apache-2.0
import Families
import Tokenizers

/// A place that an answer names, in pixels of the original image.
package struct GroundedPlace {
  /// UTF-8, empty where the answer gives no words for it.
  package var phrase: [UInt8]
  package var x1, y1, x2, y2: Double
  package var isPoint: Bool
  /// The answer's tokens that make the phrase and its coordinates.
  package var tokens: Range<Int>
  /// Sum of their log-probabilities.
  package var logProbability: Double
}

/// Gathers, while an answer is made, what is needed to tell the places it names and how sure the model was.
package struct PlaceReader {
  private let form: CoordinateForm
  private let system: LoadedSystem
  /// ln of each token's probability under the model's own logits, before penalties and temperature.
  package private(set) var logProbabilities: [Float] = []
  /// The logits that the next token is chosen from, their greatest, and ln Σ exp(logit − greatest).
  private var logits: [Float] = []
  private var peak: Float = 0
  private var logSum = 0.0

  /// Nil for systems that name no places.
  package init?(_ system: LoadedSystem) {
    guard let form = system.coordinates else { return nil }
    self.form = form
    self.system = system
  }

  /// Called before a token is chosen: the sampler changes the logits.
  package mutating func observe(_ logits: UnsafeMutableBufferPointer<Float>) {
    self.logits.removeAll(keepingCapacity: true)
    self.logits.append(contentsOf: logits)
    peak = logits.reduce(-.infinity) { $1 > $0 ? $1 : $0 }
    logSum = naturalLogarithm(max(logits.reduce(0.0) { $0 + ($1.isNaN ? 0 : exponential(Double($1 - peak))) }, 1))
  }

  package mutating func append(_ id: Int32) {
    let logit = logits.indices.contains(Int(id)) ? logits[Int(id)] : -.infinity
    logProbabilities.append(Float(Double(logit - peak) - logSum))
  }

  /// The places that the answer names, in its order.
  /// - Parameters:
  ///   - ids: the tokens that were appended.
  ///   - image: the image that its coordinates count in.
  package func places(_ ids: [Int32], in image: ImageEmbedding) -> [GroundedPlace] {
    var decoder = system.tokenizer.streamingDecoder(showsSpecials: true)
    var text: [UInt8] = []
    // Where each token's text ends; bytes that wait for the rest of a character come with the token that completes it.
    var ends: [Int] = []
    for id in ids {
      text += decoder.append(id)
      ends.append(text.count)
    }
    text += decoder.finish()
    return form.groundings(in: text).map { g in
      let first = ends.firstIndex { $0 > g.range.lowerBound } ?? ids.count
      let last = ends.firstIndex { $0 >= g.range.upperBound } ?? ids.count - 1
      let tokens = first..<max(first, min(last + 1, logProbabilities.count))
      return GroundedPlace(
        phrase: g.phrase, x1: CoordinateForm.pixels(g.x1, of: image.width), y1: CoordinateForm.pixels(g.y1, of: image.height),
        x2: CoordinateForm.pixels(g.x2, of: image.width), y2: CoordinateForm.pixels(g.y2, of: image.height), isPoint: g.isPoint,
        tokens: tokens, logProbability: logProbabilities[tokens].reduce(0.0) { $0 + Double($1) })
    }
  }
}
