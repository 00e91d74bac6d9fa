// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// The multipliers of a Granite decoder (transformers' GraniteConfig), which are folded into the weights of an equivalent LLaMA.
package struct GraniteMultipliers: Equatable {
  /// Factors of the embeddings, of each residual branch and of q·k; and the divisor of the logits.
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

  /// The checkpoint with these multipliers folded into its weights.
  /// - Parameters:
  ///   - c: the decoder; whether its head is tied is known.
  ///   - inputs: names of the tensors besides the embedding table that produce vectors of the decoder's input.
  ///   - scalesLogits: false where the head is not Granite's own, as in transformers' Idefics3.
  func source(
    _ base: any TensorSource, _ names: LlamaNames, _ c: TextConfig, inputs: [String] = [], scalesLogits: Bool = true
  ) -> any TensorSource {
    var factors: [String: Double] = [names.prefix + "embed_tokens.weight": embedding]
    for name in inputs { factors[name] = embedding }
    for i in 0..<c.layers {
      let layer = "\(names.prefix)layers.\(i)."
      for kind in [".weight", ".bias"] {
        // Attention already divides by √headSize.
        factors[layer + "self_attn.q_proj" + kind] = attention * Double(c.headSize).squareRoot()
        factors[layer + "self_attn.o_proj" + kind] = residual
        factors[layer + "mlp.down_proj" + kind] = residual
      }
    }
    // A tied head already includes the embedding's factor.
    factors[names.prefix + "norm.weight"] = 1 / ((scalesLogits ? logits : 1) * (c.tiedHead ? embedding : 1))
    return ScaledSource(base, factors: factors.mapValues { Float($0) })
  }
}
