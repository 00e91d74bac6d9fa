// SPDX-License-Identifier: Apache-2.0

/// Tensor names of a DINOv2 tower: transformers' to ours.
struct DINOv2Names {
  /// Prefix of `embeddings.cls_token`.
  let prefix: String
  /// Scope of the tower's weights in the weight file.
  let scope: String

  /// Plans the embeddings, `used` layers and, where the output is normed, the last norm.
  func plan(_ plan: CheckpointPlan, _ c: DINOv2Config, used: Int, normsOutput: Bool) {
    let h = c.hiddenSize
    plan.matrix(
      scope + ".patch.weight", .patch, [h, 3 * c.patchSize * c.patchSize],
      from: prefix + "embeddings.patch_embeddings.projection.weight", sourceShape: [h, 3, c.patchSize, c.patchSize])
    plan.table(scope + ".patch.bias", [h], from: prefix + "embeddings.patch_embeddings.projection.bias")
    plan.table(scope + ".class", [h], from: prefix + "embeddings.cls_token", sourceShape: [1, 1, h])
    let positions = 1 + c.positionSide * c.positionSide
    plan.table(
      scope + ".position", [positions, h], from: prefix + "embeddings.position_embeddings", sourceShape: [1, positions, h])
    for i in 0..<used {
      let layer = "\(prefix)encoder.layer.\(i)."
      let name = "\(scope).layers.\(i)."
      // The hub's names, or transformers 5's in-memory names.
      let isPublished = plan.has(layer + "attention.attention.query.weight")
      let qkv = isPublished ? ["attention.query", "attention.key", "attention.value"] : ["q_proj", "k_proj", "v_proj"]
      plan.norm(name + "norm1", h, from: layer + "norm1", hasBias: true)
      plan.linear(name + "attn.qkv", .vision, inputs: h, parts: qkv.map { ("\(layer)attention.\($0)", h) }, bias: .required)
      plan.linear(
        name + "attn.out", .vision, inputs: h, parts: [(layer + "attention." + (isPublished ? "output.dense" : "o_proj"), h)],
        bias: .required)
      plan.table(name + "scale1", [h], from: layer + "layer_scale1.lambda1")
      plan.norm(name + "norm2", h, from: layer + "norm2", hasBias: true)
      plan.linear(name + "mlp.expand", .vision, inputs: h, parts: [(layer + "mlp.fc1", c.intermediateSize)], bias: .required)
      plan.linear(name + "mlp.contract", .vision, inputs: c.intermediateSize, parts: [(layer + "mlp.fc2", h)], bias: .required)
      plan.table(name + "scale2", [h], from: layer + "layer_scale2.lambda1")
    }
    if normsOutput { plan.norm(scope + ".norm", h, from: prefix + "layernorm", hasBias: true) }
  }

  /// The mask token of training, and layers after the selected one.
  func isIgnorable(_ name: String, used: Int, normsOutput: Bool) -> Bool {
    guard name.hasPrefix(prefix) else { return false }
    let rest = name.dropFirst(prefix.count)
    if rest == "embeddings.mask_token" || (!normsOutput && rest.hasPrefix("layernorm.")) { return true }
    let parts = rest.split(separator: ".")
    guard parts.count > 2, parts[0] == "encoder", parts[1] == "layer", let layer = Int(parts[2]) else { return false }
    return layer >= used
  }
}
