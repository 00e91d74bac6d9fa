// SPDX-License-Identifier: Apache-2.0
import Families
import Shims

extension Session {
  /// Answers a prompt about one picture with each of several encodings of it, and gives the answer of the highest score; the others, in order
  /// of their scores, are its `others`. Equal encodings are asked once.
  func likeliest(
    _ request: Request, _ options: GenerateOptions, _ onToken: @escaping (Int32, [UInt8]) -> Bool
  ) throws(FoveaError) -> GenerateResult {
    guard case .prompt(let prompt, let images, let regions) = request else { throw .argument("options.alternatives", "not for conversations") }
    guard regions.isEmpty else { throw .argument("options.alternatives", "not with regions") }
    guard !images.isEmpty else { throw .argument("options.alternatives", "there are no images") }
    var found: [GenerateResult] = []
    var (prefill, decode) = (0.0, 0.0)
    for (i, image) in images.enumerated() where !images[..<i].contains(where: { $0.identity == image.identity }) {
      var result = try answer(.prompt(prompt, images: [image], regions: []), options) { _, _ in true }
      prefill += result.prefillSeconds
      decode += result.decodeSeconds
      if options.beams == 1 { result.score = Self.score(result, options.lengthPenalty) }
      let others = result.others
      result.others = []
      for var one in [result] + others {
        one.image = i
        // Of equals the first stays.
        let place = found.firstIndex { $0.score < one.score } ?? found.count
        found.insert(one, at: place)
      }
    }
    var best = found.removeFirst()
    best.others = found
    (best.prefillSeconds, best.decodeSeconds) = (prefill, decode)
    if let last = best.ids.last, !best.text.isEmpty { _ = onToken(last, best.text) }
    return best
  }

  /// Of an answer without beams; an empty one is never the likeliest.
  private static func score(_ result: GenerateResult, _ lengthPenalty: Float) -> Double {
    let sum = result.logProbabilities.reduce(0) { $0 + Double($1) }
    let score = sum / pow(Double(result.logProbabilities.count), Double(lengthPenalty))
    return score.isNaN ? -.infinity : score
  }
}
