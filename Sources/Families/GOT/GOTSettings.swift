// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// GOT-OCR2 (arXiv:2409.01704): the vocabulary network, on a page or on tiles.
package struct GOTSettings: VisionSettings {
  package var decoder = DecoderSizes()
  package var vocabulary = SAMSettings()
  package var marks = ImageMarkSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vocabulary)
    marks.vocabSize = decoder.vocabSize
    try f.part(&marks)
  }
}
