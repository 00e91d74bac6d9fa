// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Shims

/// The config files equivalent to a GGUF's settings.
struct GGUFConfig {
  let settings: ConfigReader
  /// The decoder's architecture: "llama".
  let architecture: String

  init(_ settings: ConfigReader) throws {
    self.settings = settings
    architecture = try settings.string("general.architecture")
    guard architecture != "clip" else {
      throw ConversionError.unsupported("\(settings.file): a vision tower; give the file of the decoder it belongs to")
    }
    guard ["llama", "qwen2", "granite", GGUFDeepSeek.architecture].contains(architecture) else {
      throw ConversionError.unsupported(
        "\(settings.file): architecture \(architecture); of GGUF decoders llama, qwen2, granite and deepseek2-ocr are known")
    }
    try refuseWhatIsNotRead()
  }

  private var isDeepSeek: Bool { architecture == GGUFDeepSeek.architecture }

  /// Settings that ask for other computations than ours.
  private func refuseWhatIsNotRead() throws {
    for (key, usual) in [
      ("expert_count", 0.0), ("attention.sliding_window", 0), ("attention.max_alibi_bias", 0), ("attention.clamp_kqv", 0),
      ("attn_logit_softcapping", 0), ("final_logit_softcapping", 0), ("rope.scale_linear", 1),
    ] where try number(key, usual) != usual && !(isDeepSeek && key == "expert_count") {
      throw settings.fail("\(architecture).\(key)", "is not supported")
    }
    for (name, usual) in [("attention.causal", true), ("use_parallel_residual", false)] {
      let key = "\(architecture).\(name)"
      guard try settings.bool(key, default: usual) == usual else { throw settings.fail(key, "\(!usual) is not supported") }
    }
    // The whole head turns, and queries, keys and values are of one size.
    let head = try headSize
    for key in ["rope.dimension_count", "attention.value_length"] {
      let found = try settings.size("\(architecture).\(key)", default: head, allowZero: true)
      // DeepSeek-OCR's files copy a size of the attention that it does not have.
      guard found == head || (isDeepSeek && found == 0) else {
        throw settings.fail("\(architecture).\(key)", "\(found) is not supported beside heads of \(head)")
      }
    }
    let version = try settings.int("general.quantization_version", default: 2)
    guard version == 2 else { throw settings.fail("general.quantization_version", "\(version) is not supported; 2 is") }
  }

  var headSize: Int {
    get throws {
      let heads = try size("attention.head_count")
      return try size("attention.key_length", try size("embedding_length") / heads)
    }
  }

  private func size(_ key: String, _ fallback: Int? = nil) throws -> Int { try settings.size("\(architecture).\(key)", default: fallback) }

  private func number(_ key: String, _ fallback: Double? = nil) throws -> Double {
    try settings.double("\(architecture).\(key)", default: fallback)
  }

  /// The decoder's config as transformers writes it.
  /// - Parameters:
  ///   - isTied: whether the LM head is the embedding.
  ///   - ropeFactors: divisors of the RoPE frequencies; empty: 1.
  func decoder(vocabSize: Int, isTied: Bool, ropeFactors: [Float]) throws -> [(key: String, value: JSONValue)] {
    let heads = try size("attention.head_count")
    let theta = try number("rope.freq_base", 10_000)
    var members: [(key: String, value: JSONValue)] = [
      ("model_type", .string(architecture)), ("vocab_size", int(vocabSize)), ("hidden_size", int(try size("embedding_length"))),
      ("intermediate_size", int(try size("feed_forward_length"))), ("num_hidden_layers", int(try size("block_count"))),
      ("num_attention_heads", int(heads)), ("num_key_value_heads", int(try size("attention.head_count_kv", heads))),
      ("head_dim", int(try headSize)), ("max_position_embeddings", int(try size("context_length"))),
      ("rms_norm_eps", .double(Self.decimal(try number("attention.layer_norm_rms_epsilon")))), ("rope_theta", .double(Self.decimal(theta))),
      ("tie_word_embeddings", .bool(isTied)),
    ]
    for (key, name) in [("bos", "bos_token_id"), ("eos", "eos_token_id")] {
      if let id = settings.value["tokenizer.ggml.\(key)_token_id"]?.int { members.append((name, int(id))) }
    }
    if let scaling = try ropeScaling(theta, ropeFactors) { members.append(("rope_scaling", scaling)) }
    if isDeepSeek { members += try GGUFDeepSeek.mixture(settings) }
    if architecture == "granite" {
      for (key, name) in [
        ("embedding_scale", "embedding_multiplier"), ("residual_scale", "residual_multiplier"), ("attention.scale", "attention_multiplier"),
        ("logit_scale", "logits_scaling"),
      ] {
        members.append((name, .double(Self.decimal(try number(key, 1)))))
      }
    }
    return members
  }

  private func ropeScaling(_ theta: Double, _ factors: [Float]) throws -> JSONValue? {
    let kind = try settings.string("\(architecture).rope.scaling.type", default: "none")
    if !factors.isEmpty { return try llama3Scaling(theta, factors) }
    switch kind {
    case "none": return nil
    case "linear": return .object([("type", .string("linear")), ("factor", .double(Self.decimal(try number("rope.scaling.factor"))))])
    default: throw settings.fail("\(architecture).rope.scaling.type", "\(kind) is not supported")
    }
  }

  /// A GGUF has only LLaMA 3's factors; they must be those of the published bands.
  private func llama3Scaling(_ theta: Double, _ factors: [Float]) throws -> JSONValue {
    let (low, high, context) = (1.0, 4.0, 8192.0)
    let factor = Double(factors.max() ?? 1)
    let size = try headSize
    let isPublished =
      factors.count == size / 2
      && factors.enumerated().allSatisfy { i, found in
        let wavelength = 2 * Double.pi * pow(theta, Double(2 * i) / Double(size))
        let smooth = (context / wavelength - low) / (high - low)
        let expected = wavelength < context / high ? 1 : wavelength > context / low ? factor : 1 / ((1 - smooth) / factor + smooth)
        return (Double(found) / expected - 1).magnitude < 1e-3
      }
    guard isPublished else { throw ConversionError.unsupported("\(settings.file): rope_freqs.weight with factors other than LLaMA 3's") }
    return .object([
      ("rope_type", .string("llama3")), ("factor", .double(Self.decimal(factor))), ("low_freq_factor", .double(low)),
      ("high_freq_factor", .double(high)), ("original_max_position_embeddings", .int(Int64(context))),
    ])
  }

  private func int(_ value: Int) -> JSONValue { .int(Int64(value)) }

  /// The shortest decimal of a 32-bit float, as config.json would have it.
  static func decimal(_ value: Double) -> Double { Double("\(Float(value))") ?? value }
}
