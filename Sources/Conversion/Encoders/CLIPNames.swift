// SPDX-License-Identifier: Apache-2.0
import Quantization

/// Tensor names of a CLIP vision transformer: transformers' to ours.
struct CLIPNames {
  /// Prefix of `embeddings.class_embedding`.
  let prefix: String
  /// Scope of the tower's weights in the weight file.
  let scope: String

  /// The first of `prefixes` under which a tower is found, else the first.
  init(_ plan: CheckpointPlan, prefixes: [String], scope: String) {
    self.scope = scope
    prefix = prefixes.first { plan.has($0 + "embeddings.class_embedding") } ?? prefixes.first ?? ""
  }

  /// Plans the embeddings, then `used` layers.
  /// - Parameter afterNorm1: called inside each layer where a system's adapter is first used.
  func plan(_ plan: CheckpointPlan, _ c: VisionConfig, used: Int, adapter: (_ layer: Int) -> Void = { _ in }) {
    let h = c.hiddenSize
    if let stem = c.stem {
      planStem(plan, stem, size: h)
    } else {
      plan.matrix(
        scope + ".patch.weight", .patch, [h, 3 * c.patchSize * c.patchSize], from: prefix + "embeddings.patch_embedding.weight",
        sourceShape: [h, 3, c.patchSize, c.patchSize])
    }
    plan.table(scope + ".class", [h], from: prefix + "embeddings.class_embedding")
    plan.table(scope + ".position", [1 + c.patches, h], from: prefix + "embeddings.position_embedding.weight")
    plan.norm(scope + ".preNorm", h, from: prefix + "pre_layrnorm", hasBias: true)
    for i in 0..<used {
      Self.planLayer(
        plan, "\(scope).layers.\(i).", from: "\(prefix)encoder.layers.\(i).", width: h, inner: c.intermediateSize, adapter: { adapter(i) })
    }
  }

  /// Convolutions (with their norms folded into them) and a product in place of the patch embedding: names of this project.
  private func planStem(_ plan: CheckpointPlan, _ stem: VisionConfig.Stem, size: Int) {
    func convolution(_ name: String, _ role: TensorRole, _ outputs: Int, _ channels: Int, from module: String) {
      plan.kernel(
        name + ".weight", role, outputs: outputs, channels: channels, side: 3, from: module + ".weight", channelsLast: (written: true, source: false))
      plan.table(name + ".bias", [outputs], from: module + ".bias")
    }
    var channels = 3
    for (i, width) in stem.widths.enumerated() {
      let (name, source) = ("\(scope).stem.\(i).", "\(prefix)embeddings.stem.\(i).")
      convolution(name + "halve", i == 0 ? .patch : .vision, width, channels, from: source + "halve")
      for j in 0..<stem.depths[i] {
        for part in ["first", "second"] {
          convolution("\(name)pairs.\(j).\(part)", .vision, width, width, from: "\(source)pairs.\(j).\(part)")
        }
      }
      channels = width
    }
    plan.linear(scope + ".patch", .vision, inputs: channels, parts: [(prefix + "embeddings.patch_embedding", size)], bias: .required)
  }

  /// One layer; SigLIP's have the same names.
  static func planLayer(_ plan: CheckpointPlan, _ name: String, from layer: String, width h: Int, inner: Int, adapter: () -> Void = {}) {
    plan.norm(name + "norm1", h, from: layer + "layer_norm1", hasBias: true)
    plan.linear(name + "attn.qkv", .vision, inputs: h, parts: ["q", "k", "v"].map { ("\(layer)self_attn.\($0)_proj", h) }, bias: .required)
    plan.linear(name + "attn.out", .vision, inputs: h, parts: [(layer + "self_attn.out_proj", h)], bias: .required)
    adapter()
    plan.norm(name + "norm2", h, from: layer + "layer_norm2", hasBias: true)
    plan.linear(name + "mlp.expand", .vision, inputs: h, parts: [(layer + "mlp.fc1", inner)], bias: .required)
    plan.linear(name + "mlp.contract", .vision, inputs: inner, parts: [(layer + "mlp.fc2", h)], bias: .required)
  }

  /// Position ids, the norm after the last layer, and layers after the selected one.
  func isIgnorable(_ name: String, used: Int) -> Bool {
    guard name.hasPrefix(prefix) else { return false }
    let rest = name.dropFirst(prefix.count)
    if rest == "embeddings.position_ids" || rest.hasPrefix("post_layernorm.") { return true }
    let parts = rest.split(separator: ".")
    guard parts.count > 2, parts[0] == "encoder", parts[1] == "layers", let layer = Int(parts[2]) else { return false }
    return layer >= used
  }
}
