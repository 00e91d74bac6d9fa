// SPDX-License-Identifier: Apache-2.0
import Encoders
import WeightFile

extension VisionTransformerConfiguration {
  /// Qwen-VL's tower (arXiv:2308.12966 §2.1; OpenCLIP's bigG trunk): no class token, positions resized to the tile, a norm before the
  /// blocks, none behind.
  static func qwenVL(_ m: Metadata, scope: String) throws(WeightFileError) -> Self {
    var c = try Self(m, scope: scope)
    c.positionSide = try m.requireInt("\(scope).positionGrid", in: 1...256)
    c.activation = try m.activation("\(scope).activation")
    c.normsInput = true
    return c
  }
}
