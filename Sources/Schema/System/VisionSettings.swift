// SPDX-License-Identifier: Apache-2.0
import WeightFile

/// The vision side of a system: its encoders, adapters and image path.
package protocol VisionSettings: Settings {
  /// Set before keys are read or written.
  var decoder: DecoderSizes { get set }
}

extension VisionSettings {
  package static var scope: String { "" }

  package init(_ m: Metadata, decoder: DecoderSizes) throws(WeightFileError) {
    self.init()
    self.decoder = decoder
    try read(m)
  }
}

/// Sizes of the decoder that bound a system's vision keys; the largest allowed until they are known.
package struct DecoderSizes {
  package var hiddenSize = 65536, vocabSize = 1_048_576

  package init() {}
  package init(_ decoder: DecoderSettings) {
    hiddenSize = decoder.hiddenSize
    vocabSize = decoder.vocabSize
  }
}
