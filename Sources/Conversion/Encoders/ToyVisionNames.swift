// SPDX-License-Identifier: Apache-2.0

/// Names of the toy encoder: transformers' SigLIP's to ours.
struct ToyVisionNames {
  let prefix: String

  func plan(_ plan: CheckpointPlan, hiddenSize h: Int, intermediateSize: Int, patches: Int, patchSize: Int, layers: Int) {
    plan.matrix(
      "toy.patch.weight", .patch, [h, 3 * patchSize * patchSize], from: prefix + "embeddings.patch_embedding.weight",
      sourceShape: [h, 3, patchSize, patchSize])
    plan.table("toy.patch.bias", [h], from: prefix + "embeddings.patch_embedding.bias")
    plan.table("toy.position", [patches, h], from: prefix + "embeddings.position_embedding.weight")
    for i in 0..<layers {
      let (name, layer) = ("toy.layers.\(i).", "\(prefix)encoder.layers.\(i).")
      plan.norm(name + "norm1", h, from: layer + "layer_norm1", hasBias: true)
      plan.linear(name + "attn.qkv", .vision, inputs: h, parts: ["q", "k", "v"].map { ("\(layer)self_attn.\($0)_proj", h) }, bias: .required)
      plan.linear(name + "attn.out", .vision, inputs: h, parts: [(layer + "self_attn.out_proj", h)], bias: .required)
      plan.norm(name + "norm2", h, from: layer + "layer_norm2", hasBias: true)
      plan.linear(name + "mlp.expand", .vision, inputs: h, parts: [(layer + "mlp.fc1", intermediateSize)], bias: .required)
      plan.linear(name + "mlp.contract", .vision, inputs: intermediateSize, parts: [(layer + "mlp.fc2", h)], bias: .required)
    }
    plan.norm("toy.norm", h, from: prefix + "post_layernorm", hasBias: true)
  }
}
