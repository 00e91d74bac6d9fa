// SPDX-License-Identifier: Apache-2.0
import Families
import Regions

extension GroundedPlace {
  /// The places that an answer names, in its order.
  /// - Parameters:
  ///   - ids: the answer.
  ///   - logProbabilities: one for each id.
  ///   - image: the image that its coordinates refer to.
  package static func places(
    in ids: [Int32], _ logProbabilities: [Float], _ system: LoadedSystem, _ image: ImageEmbedding
  ) -> [GroundedPlace] {
    guard let form = system.regionMarks?.form else { return [] }
    var decoder = system.tokenizer.streamingDecoder(showsSpecials: true)
    var text: [UInt8] = []
    // End offset of each token's text; bytes of an incomplete character count for the token that completes it.
    var ends: [Int] = []
    for id in ids {
      text += decoder.append(id)
      ends.append(text.count)
    }
    text += decoder.finish()
    return form.places(in: text, ends: ends, logProbabilities: logProbabilities, width: image.width, height: image.height)
  }
}
