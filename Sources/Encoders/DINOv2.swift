// SPDX-License-Identifier: Apache-2.0
import WeightFile

extension VisionTransformerConfiguration {
  /// DINOv2 without registers (arXiv:2304.07193): LayerScale, exact GELU, positions resized to the input, for square tiles of any side
  /// that its patches divide.
  package static func dinov2(_ m: Metadata, scope: String) throws(WeightFileError) -> Self {
    var c = try Self(m, scope: scope, side: "tileSide")
    c.positionSide = try m.requireInt("\(scope).positionSide", in: 1...1024)
    c.classToken = .dropped
    c.normsOutput = m.bool("\(scope).normsOutput") ?? true
    c.hasLayerScale = true
    return c
  }
}
