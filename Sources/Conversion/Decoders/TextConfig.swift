// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles
import Schema

/// Sizes of a LLaMA-type decoder, with the defaults that transformers leaves out of config.json.
package struct TextConfig: Equatable {
  package let hiddenSize, intermediateSize, layers, heads, kvHeads, headSize, vocabSize: Int
  /// Longest exact sequence: a sliding window (Mistral, Qwen2) limits it, since attention is full within the window.
  package let contextLength: Int
  package let normEpsilon, ropeTheta: Double
  package var tiedHead: Bool
  package let ropeScaling: RopeScaling?
  /// Of a Granite decoder.
  let multipliers: GraniteMultipliers?

  package struct RopeScaling: Equatable {
    /// "linear" or "llama3".
    package let type: String
    package let factor: Double
    /// The frequency bands of `llama3`.
    package let bands: Bands?

    package init(type: String, factor: Double, bands: Bands?) {
      self.type = type
      self.factor = factor
      self.bands = bands
    }

    package struct Bands: Equatable {
      package let low, high: Double
      package let originalContext: Int

      package init(low: Double, high: Double, originalContext: Int) {
        self.low = low
        self.high = high
        self.originalContext = originalContext
      }
    }
  }

  /// - Parameters:
  ///   - config: the object with the LLaMA keys (`text_config`, or the top of an original LLaVA config).
  ///   - takesGranite: whether the caller applies `multipliers`.
  package init(_ config: ConfigReader, takesGranite: Bool = false) throws {
    let type = try config.string("model_type", default: "llama")
    let isGranite = takesGranite && type == "granite"
    multipliers = isGranite ? try GraniteMultipliers(config) : nil
    let isMistral = type == "mistral" || type == "llava_mistral"
    guard
      isMistral || isGranite
        || ["llama", "llava", "llava_llama", "hires_llava", "vicuna", "ferret", "ferret_llama", "ferret_v2", "qwen2"].contains(type)
    else {
      throw ConversionError.unsupported(
        "\(config.file): \(config.path)model_type \(type); decoders of LLaMA, Mistral and Qwen2 type are known")
    }
    let activation = try config.string("hidden_act", default: "silu")
    guard activation == "silu" else { throw config.fail("hidden_act", "\(activation) is not supported, only silu") }

    hiddenSize = try config.size("hidden_size", default: 4096)
    intermediateSize = try config.size("intermediate_size", default: isMistral ? 14336 : 11008)
    layers = try config.size("num_hidden_layers", default: 32)
    heads = try config.size("num_attention_heads", default: 32)
    kvHeads = try config.size("num_key_value_heads", default: isMistral ? 8 : heads)
    vocabSize = try config.size("vocab_size", default: 32000)
    guard layers <= 1024 else { throw config.fail("num_hidden_layers", "\(layers) is too many") }
    guard heads % kvHeads == 0 else { throw config.fail("num_key_value_heads", "\(kvHeads) does not divide \(heads) heads") }
    guard config.has("head_dim") || hiddenSize % heads == 0 else {
      throw config.fail("num_attention_heads", "\(heads) does not divide hidden size \(hiddenSize)")
    }
    headSize = try config.size("head_dim", default: hiddenSize / heads)
    guard headSize % 2 == 0 else { throw config.fail("head_dim", "\(headSize) is odd") }

    let positions = try config.size("max_position_embeddings", default: isMistral ? 131_072 : 2048)
    // Absent means 4096, null means no window.
    var window = positions
    let hasWindow = try isMistral || type == "qwen2" && Self.hasQwenWindow(config, layers: layers)
    if hasWindow, !Self.isNull(config, "sliding_window") { window = try config.size("sliding_window", default: 4096) }
    contextLength = min(positions, window)
    normEpsilon = try config.double("rms_norm_eps", default: 1e-6)
    tiedHead = try config.bool("tie_word_embeddings", default: false)

    // transformers 5 has rope_parameters; earlier versions have rope_theta and rope_scaling.
    let parameters = try config.object("rope_parameters")
    ropeTheta = try parameters.double("rope_theta", default: try config.double("rope_theta", default: 10_000))
    let scaling = config.has("rope_parameters") ? parameters : try config.object("rope_scaling")
    let scalingType = try scaling.string("rope_type", default: try scaling.string("type", default: "default"))
    switch scalingType {
    case "default": ropeScaling = nil
    case "linear": ropeScaling = RopeScaling(type: scalingType, factor: try scaling.double("factor"), bands: nil)
    case "llama3":
      let bands = RopeScaling.Bands(
        low: try scaling.double("low_freq_factor"), high: try scaling.double("high_freq_factor"),
        originalContext: try scaling.size("original_max_position_embeddings"))
      ropeScaling = RopeScaling(type: scalingType, factor: try scaling.double("factor"), bands: bands)
    default: throw scaling.fail("rope_type", "\(scalingType) is not supported")
    }
  }

  /// Whether a layer of a Qwen2 has the window: one of `layer_types`, else those from `max_window_layers` on.
  private static func hasQwenWindow(_ config: ConfigReader, layers: Int) throws -> Bool {
    guard try config.bool("use_sliding_window", default: false) else { return false }
    if let types = config.value["layer_types"]?.array { return types.contains { $0.string == "sliding_attention" } }
    return try config.int("max_window_layers", default: 28) < layers
  }

  private static func isNull(_ config: ConfigReader, _ key: String) -> Bool {
    config.value.members?.last { $0.key == key }.map { if case .null = $0.value { true } else { false } } ?? false
  }
}

extension TextConfig {
  var settings: LlamaSettings {
    var s = LlamaSettings()
    (s.hiddenSize, s.intermediateSize, s.layers) = (hiddenSize, intermediateSize, layers)
    (s.heads, s.kvHeads, s.headSize) = (heads, kvHeads, headSize)
    (s.vocabSize, s.contextLength) = (vocabSize, contextLength)
    (s.normEpsilon, s.ropeTheta, s.tiedHead) = (normEpsilon, ropeTheta, tiedHead)
    guard let scaling = ropeScaling else { return s }
    s.ropeScaling = LlamaSettings.RopeScaling(spelling: scaling.type)
    s.ropeFactor = scaling.factor
    if let bands = scaling.bands {
      (s.ropeLowFrequencyFactor, s.ropeHighFrequencyFactor, s.ropeOriginalContext) = (bands.low, bands.high, bands.originalContext)
    }
    return s
  }
}
