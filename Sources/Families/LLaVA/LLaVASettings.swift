// SPDX-License-Identifier: Apache-2.0
import Schema
import WeightFile

/// LLaVA-1.5: one square view.
package struct LLaVASettings: VisionSettings {
  package var decoder = DecoderSizes()
  package var vision = CLIPSettings()
  package var statistics = NormalisationSettings()
  package var fit = SquareFitSettings()
  package var projector = ProjectorSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vision)
    try f.part(&statistics)
    try f.part(&fit)
    try f.part(&projector)
  }
}

/// LLaVA-NeXT (LLaVA-1.6): a view of the whole image, and tiles.
package struct LLaVANeXTSettings: VisionSettings {
  package var decoder = DecoderSizes()
  package var vision = CLIPSettings()
  package var statistics = NormalisationSettings()
  package var pinpoints = PinpointSettings()
  package var projector = ProjectorSettings()

  package init() {}

  package mutating func visit(_ f: inout Fields) throws(WeightFileError) {
    try f.part(&vision)
    try f.check(vision.dropClass, "vision.dropClass", found: "false", expected: "true: tiles need a square map of patches")
    try f.part(&statistics)
    pinpoints.tileSide = vision.imageSize
    try f.part(&pinpoints)
    try f.part(&projector)
  }
}
