// SPDX-License-Identifier: Apache-2.0
import CheckpointFiles

/// Sizes of a DINOv2 vision transformer (transformers' Dinov2Config).
struct DINOv2Config {
  let hiddenSize, intermediateSize, layers, heads, imageSize, patchSize: Int
  let normEpsilon: Double

  /// Patches per side of the stored position table.
  var positionSide: Int { imageSize / patchSize }

  init(_ config: ConfigReader) throws {
    guard try config.string("model_type", default: "dinov2") == "dinov2" else {
      throw config.fail("model_type", "should be dinov2")
    }
    hiddenSize = try config.size("hidden_size", default: 768)
    layers = try config.size("num_hidden_layers", default: 12)
    heads = try config.size("num_attention_heads", default: 12)
    imageSize = try config.size("image_size", default: 224)
    patchSize = try config.size("patch_size", default: 14)
    normEpsilon = try config.double("layer_norm_eps", default: 1e-6)
    let ratio = try config.double("mlp_ratio", default: 4)
    guard ratio > 0, ratio <= 64 else { throw config.fail("mlp_ratio", "should be above 0 and at most 64") }
    intermediateSize = Int(Double(hiddenSize) * ratio)
    guard layers <= 1024 else { throw config.fail("num_hidden_layers", "\(layers) is too many") }
    guard hiddenSize % heads == 0 else { throw config.fail("num_attention_heads", "\(heads) does not divide \(hiddenSize)") }
    guard imageSize <= 1 << 14, imageSize % patchSize == 0 else { throw config.fail("image_size", "\(imageSize) is not a multiple of \(patchSize)") }
    guard try config.string("hidden_act", default: "gelu") == "gelu" else { throw config.fail("hidden_act", "only gelu is supported") }
    for (key, value) in [("use_swiglu_ffn", false), ("qkv_bias", true)] where try config.bool(key, default: value) != value {
      throw config.fail(key, "only \(value) is supported")
    }
    guard try config.size("num_channels", default: 3) == 3 else { throw config.fail("num_channels", "only 3 is supported") }
  }

  /// The sizes of a known hub name, where the checkpoint has no folder for it.
  static func known(_ name: String) throws -> DINOv2Config? {
    let sizes: String
    switch name.split(separator: "/").last {
    case "dinov2-small": sizes = #""hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6"#
    case "dinov2-base": sizes = #""hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12"#
    case "dinov2-large": sizes = #""hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16"#
    default: return nil
    }
    return try DINOv2Config(
      ConfigReader(file: name, value: try .parse("{\"image_size\": 518, \(sizes)}", file: name)))
  }
}
