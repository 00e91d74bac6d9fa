// SPDX-License-Identifier: Apache-2.0
import WeightFile

extension VisionTransformerConfiguration {
  /// CLIP's tower (arXiv:2103.00020 §2.4) up to the feature layer a system selects: a class token, a norm before the blocks, none behind.
  package static func clip(_ m: Metadata, scope: String) throws(WeightFileError) -> Self {
    var c = try Self(m, scope: scope)
    c.activation = try m.activation("\(scope).activation")
    c.classToken = m.bool("\(scope).dropClass") ?? true ? .dropped : .kept
    c.normsInput = true
    return c
  }
}
