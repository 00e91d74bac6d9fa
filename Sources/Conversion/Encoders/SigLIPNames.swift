// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// Tensor names of a SigLIP vision transformer inside Idefics3: transformers' to ours.
struct SigLIPNames {
  /// Prefix of `embeddings.patch_embedding`.
  let prefix: String
  /// Scope of the tower's weights in the weight file.
  let scope: String

  /// The first of `prefixes` under which a tower is found, else the first.
  init(_ plan: CheckpointPlan, prefixes: [String], scope: String) {
    self.scope = scope
    prefix = prefixes.first { plan.has($0 + "embeddings.patch_embedding.weight") } ?? prefixes.first ?? ""
  }

  func plan(_ plan: CheckpointPlan, _ s: SigLIPSettings) {
    let h = s.hiddenSize
    plan.matrix(
      scope + ".patch.weight", .patch, [h, 3 * s.patchSize * s.patchSize], from: prefix + "embeddings.patch_embedding.weight",
      sourceShape: [h, 3, s.patchSize, s.patchSize])
    plan.table(scope + ".patch.bias", [h], from: prefix + "embeddings.patch_embedding.bias")
    plan.table(scope + ".position", [s.positionSide * s.positionSide, h], from: prefix + "embeddings.position_embedding.weight")
    for i in 0..<s.layers {
      CLIPNames.planLayer(plan, "\(scope).layers.\(i).", from: "\(prefix)encoder.layers.\(i).", width: h, inner: s.intermediateSize)
    }
    plan.norm(scope + ".norm", h, from: prefix + "post_layernorm", hasBias: true)
  }

  /// Position ids in old checkpoints.
  func isIgnorable(_ name: String) -> Bool { name == prefix + "embeddings.position_ids" }
}

extension SigLIPSettings {
  /// - Parameters:
  ///   - config: Idefics3's or SmolVLM's `vision_config`; transformers' defaults apply.
  ///   - tileSide: side of the image processor's pictures; nil: the side of the position table.
  init(_ config: ConfigReader, tileSide: Int?) throws {
    self.init()
    let type = try config.string("model_type", default: "idefics3_vision")
    guard ["idefics3_vision", "idefics3", "smolvlm_vision", "siglip_vision_model", "siglip"].contains(type) else {
      throw ConversionError.unsupported("\(config.file): a vision tower of type \(type); SigLIP is known")
    }
    hiddenSize = try config.size("hidden_size", default: 1152)
    intermediateSize = try config.size("intermediate_size", default: 3072)
    layers = try config.size("num_hidden_layers", default: 12)
    heads = try config.size("num_attention_heads", default: 16)
    patchSize = try config.size("patch_size", default: 32)
    let side = try config.size("image_size", default: 224)
    // A convolution without padding ignores pixels that fill no whole patch.
    imageSize = (tileSide ?? side) / patchSize * patchSize
    positionSide = side / patchSize
    normEpsilon = try config.double("layer_norm_eps", default: 1e-6)
    let name = try config.string("hidden_act", default: "gelu_pytorch_tanh")
    guard let known = ActivationName(spelling: name) else { throw config.fail("hidden_act", "\(name) is not supported") }
    activation = known
    guard try config.size("num_channels", default: 3) == 3 else { throw config.fail("num_channels", "only 3 is supported") }
    guard layers <= 1024 else { throw config.fail("num_hidden_layers", "\(layers) is too many") }
    guard hiddenSize % heads == 0 else { throw config.fail("num_attention_heads", "\(heads) does not divide \(hiddenSize)") }
    guard side <= 1 << 14, positionSide > 0 else { throw config.fail("image_size", "\(side) does not suit patches of \(patchSize)") }
    guard imageSize > 0 else { throw config.fail("patch_size", "\(patchSize) is more than the pixels of a tile") }
  }
}
