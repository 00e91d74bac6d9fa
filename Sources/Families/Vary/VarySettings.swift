// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// Vary (arXiv:2312.06109): the vocabulary network, alone or beside CLIP.
package struct VarySettings: VisionSettings {
  package var decoder = DecoderSizes()
  package var vocabulary = SAMSettings()
  package var marks = ImageMarkSettings()
  package var hasCLIP = false
  /// With `hasCLIP`.
  package var vision = CLIPSettings()
  package var statistics = NormalisationSettings()
  package var fit = SquareFitSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vocabulary)
    marks.vocabSize = decoder.vocabSize
    try f.part(&marks)
    try f.bool("vary.hasCLIP", &hasCLIP, "Whether CLIP stands beside the vocabulary network.")
    let exists = Condition.when(hasCLIP, "`vary.hasCLIP`")
    try f.part(&vision, when: exists)
    try f.part(&statistics, when: exists)
    try f.part(&fit, when: exists)
    guard hasCLIP else { return }
    try f.check(
      vision.tokensPerView == vocabulary.tokens, "vision.imageSize", found: "\(vision.tokensPerView) tokens",
      expected: "\(vocabulary.tokens), as the vocabulary network gives")
    try f.check(decoder.hiddenSize % 2 == 0, "language.hiddenSize", found: "\(decoder.hiddenSize)", expected: "an even number")
  }
}
