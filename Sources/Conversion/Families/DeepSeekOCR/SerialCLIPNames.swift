// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// Tensor names and sizes of DeepSeek-OCR's second tower, a CLIP whose patches are the first one's output.
struct SerialCLIPNames {
  static let prefix = "model.vision_model."
  let settings: CLIPSettings

  /// Sizes come from its tensors; heads from the config, else with CLIP's head size.
  init(_ plan: CheckpointPlan, _ config: ConfigReader) throws {
    func shape(_ name: String) throws -> [Int] {
      guard let shape = plan.source.info(Self.prefix + name)?.shape, !shape.isEmpty else {
        throw ConversionError.tensors(missing: [Self.prefix + name], unknown: [], misshapen: [])
      }
      return shape
    }
    let width = try config.object("vision_config").object("width").object("clip-l-14-224")
    var s = CLIPSettings()
    s.hiddenSize = try shape("embeddings.class_embedding")[0]
    s.intermediateSize = try shape("transformer.layers.0.mlp.fc1.weight")[0]
    s.layers = 0
    while s.layers <= 256, plan.has("\(Self.prefix)transformer.layers.\(s.layers).layer_norm1.weight") { s.layers += 1 }
    s.heads = try width.size("heads", default: max(s.hiddenSize / 64, 1))
    let grid = Int(Double(max(try shape("embeddings.position_embedding.weight")[0] - 1, 1)).squareRoot())
    s.patchSize = try width.size("patch_size", default: 14)
    guard grid <= 256, s.patchSize <= 256, s.hiddenSize % s.heads == 0 else {
      throw config.fail("vision_config", "heads or patches that fit no tower \(s.hiddenSize) wide with \(grid) positions a side")
    }
    s.imageSize = grid * s.patchSize
    settings = s
  }

  func plan(_ plan: CheckpointPlan) {
    let (h, m, prefix) = (settings.hiddenSize, settings.intermediateSize, Self.prefix)
    plan.table("vision.class", [h], from: prefix + "embeddings.class_embedding")
    plan.table("vision.position", [1 + settings.patches, h], from: prefix + "embeddings.position_embedding.weight")
    plan.norm("vision.preNorm", h, from: prefix + "pre_layrnorm", hasBias: true)
    for i in 0..<settings.layers {
      let layer = "\(prefix)transformer.layers.\(i)."
      let name = "vision.layers.\(i)."
      plan.norm(name + "norm1", h, from: layer + "layer_norm1", hasBias: true)
      plan.linear(name + "attn.qkv", .vision, inputs: h, parts: [(layer + "self_attn.qkv_proj", 3 * h)], bias: .required)
      plan.linear(name + "attn.out", .vision, inputs: h, parts: [(layer + "self_attn.out_proj", h)], bias: .required)
      plan.norm(name + "norm2", h, from: layer + "layer_norm2", hasBias: true)
      plan.linear(name + "mlp.expand", .vision, inputs: h, parts: [(layer + "mlp.fc1", m)], bias: .required)
      plan.linear(name + "mlp.contract", .vision, inputs: m, parts: [(layer + "mlp.fc2", h)], bias: .required)
    }
  }

  /// The unused patch kernel, and position ids.
  func isIgnorable(_ name: String) -> Bool {
    name.hasPrefix(Self.prefix + "embeddings.patch_embedding.") || name == Self.prefix + "embeddings.position_ids"
  }
}
