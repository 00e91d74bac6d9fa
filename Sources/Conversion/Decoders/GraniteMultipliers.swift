// SPDX-License-Identifier: Apache-2.0

/// The constants that a Granite decoder multiplies its parts by (transformers' GraniteConfig). A LLaMA with scaled weights computes the
/// same.
package struct GraniteMultipliers: Equatable {
  /// Of what goes into the first block, of what each branch adds, of queries times keys; and what logits are divided by.
  let embedding, residual, attention, logits: Double

  init(_ config: ConfigReader) throws {
    func number(_ key: String) throws -> Double {
      let value = try config.double(key, default: 1)
      guard value.magnitude > 1e-9, value.magnitude < 1e9 else { throw config.fail(key, "\(value) is out of range") }
      return value
    }
    embedding = try number("embedding_multiplier")
    residual = try number("residual_multiplier")
    attention = try number("attention_multiplier")
    logits = try number("logits_scaling")
  }

  /// The checkpoint with these constants in its weights.
  /// - Parameters:
  ///   - c: the decoder; whether its head is tied is known.
  ///   - inputs: names of the tensors that make other vectors of the decoder's input than the embedding table does.
  ///   - scalesLogits: false where the head is not Granite's own, as in transformers' Idefics3.
  func source(
    _ base: any TensorSource, _ names: LlamaNames, _ c: TextConfig, inputs: [String] = [], scalesLogits: Bool = true
  ) -> any TensorSource {
    var factors: [String: Double] = [names.prefix + "embed_tokens.weight": embedding]
    for name in inputs { factors[name] = embedding }
    for i in 0..<c.layers {
      let layer = "\(names.prefix)layers.\(i)."
      for kind in [".weight", ".bias"] {
        // Attention divides by the root of the head size.
        factors[layer + "self_attn.q_proj" + kind] = attention * Double(c.headSize).squareRoot()
        factors[layer + "self_attn.o_proj" + kind] = residual
        factors[layer + "mlp.down_proj" + kind] = residual
      }
    }
    // A tied head has the embedding's factor in it.
    factors[names.prefix + "norm.weight"] = 1 / ((scalesLogits ? logits : 1) * (c.tiedHead ? embedding : 1))
    return ScaledSource(base, factors: factors.mapValues { Float($0) })
  }
}
